-- 1e-12 of a notional: four additions of numbers below 1 err by less than 1e-15.
select
    symbol,
    timeframe,
    strategy,
    ts,
    r_net,
    {{ return_parts() | join(' + ') }} as sum_of_parts
from {{ ref('returns_decomposed') }}
where not (abs({{ return_parts() | join(' + ') }} - r_net) < 1e-12)
