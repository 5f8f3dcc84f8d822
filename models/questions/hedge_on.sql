-- The order in force at a moment (UTC), of each symbol and timeframe.
{{ config(parameters=['moment']) }}

select
    symbol,
    timeframe,
    seq,
    decision_ts,
    strategy,
    order_side,
    round(order_qty, 8) as order_qty,
    round(hedge_ratio_target, 6) as hedge_ratio_target
from {{ ref('paper_rebalance_log') }}
where decision_ts <= cast(moment as timestamp)
qualify
    row_number() over (partition by symbol, timeframe order by decision_ts desc) = 1
order by symbol, timeframe
