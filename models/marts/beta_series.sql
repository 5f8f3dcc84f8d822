-- One row per symbol, timeframe, strategy and merged bar with a return: what was
-- estimated from the rows before the bar, and the hedge ratio that follows from it.
select
    symbol,
    timeframe,
    strategy,
    ts,
    beta,
    realized_vol,
    vol_scale,
    hedge_ratio,
    status
from {{ ref('int_hedge_ratios') }}
where not is_next_bar
