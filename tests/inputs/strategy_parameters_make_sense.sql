select
    timeframe,
    strategy,
    beta_window,
    halflife,
    vol_window,
    vol_target,
    rebalance_band,
    rebalance_every,
    min_trade
from {{ ref('int_strategies') }}
where
    beta_window < 3
    or (estimator = 'ewma' and not (halflife >= 1))
    or vol_window < 2
    or not (vol_target > 0)
    or not (rebalance_band >= 0)
    or rebalance_every < 0
    or not (min_trade >= 0)
    -- one scale or the other
    or (is_vol_scaled and is_vol_budget)
