select
    timeframe,
    strategy,
    estimator,
    beta_window,
    halflife,
    vol_window,
    vol_target,
    rebalance_band,
    rebalance_every,
    min_trade
from {{ ref('int_strategies') }}
where {{ has_unfit_parameters() }}
