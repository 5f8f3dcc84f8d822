select
    leg,
    symbol,
    timeframe,
    ts,
    open,
    high,
    low,
    close
from {{ ref('int_bars') }}
where not (least(open, high, low, close) > 0)
