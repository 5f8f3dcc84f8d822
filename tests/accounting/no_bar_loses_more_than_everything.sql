-- Compounding has no meaning beyond -100 %: a price is wrong, or the hedge is.
select
    symbol,
    timeframe,
    strategy,
    ts,
    hedge_ratio,
    r_spot,
    r_fut,
    r_net
from {{ ref('returns_decomposed') }}
where not (r_net > -1)
