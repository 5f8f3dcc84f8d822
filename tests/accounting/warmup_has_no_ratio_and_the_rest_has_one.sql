select
    symbol,
    timeframe,
    strategy,
    ts,
    status,
    hedge_ratio
from {{ ref('beta_series') }}
where
    status not in ('warmup', 'ok', 'held')
    or (status = 'warmup') <> (hedge_ratio is null)
