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
