-- A price of 0 or less makes returns meaningless; staging has marked such rows unusable.
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
