select
    symbol,
    timeframe,
    strategy,
    ts,
    cum_log_return,
    drawdown
from {{ ref('returns_decomposed') }}
where
    drawdown > 0
    or drawdown <= -1
    or drawdown > exp(cum_log_return) - 1 + 1e-12
