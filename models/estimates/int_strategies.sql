-- One row per timeframe and strategy, with the vars where its seed row leaves a parameter
-- empty. Strategies of one target ask for the same ratio at each bar. Key: timeframe,
-- strategy.
with
strategies as ({{ strategies_from(ref('hedge_strategies')) }})

select
    *,
    cast(
        dense_rank() over (
            order by
                timeframe,
                estimator,
                case when {{ is_estimated_per_bar() }} then beta_window end,
                halflife,
                is_vol_scaled,
                is_vol_budget,
                vol_window,
                case when uses_volatility then vol_target end
        ) as integer
    ) as target
from strategies
