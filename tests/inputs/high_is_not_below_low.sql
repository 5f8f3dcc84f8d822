-- Crossed prices mean that a column is mixed up: then the close is in doubt, too.
select
    leg,
    symbol,
    ts,
    open,
    high,
    low,
    close
from {{ ref('int_raw_bars') }}
where high < low
