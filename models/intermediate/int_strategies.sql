-- One row per strategy, with the vars where its seed row leaves a parameter empty.
-- Key: strategy.
select
    strategy,
    estimator,
    coalesce(is_vol_scaled, false) as is_vol_scaled,
    coalesce(beta_window, {{ var('beta_window') }}) as beta_window,
    coalesce(vol_window, {{ var('vol_window') }}) as vol_window,
    coalesce(vol_target, {{ var('vol_target') }}) as vol_target,
    strategy = {{ sql_text(var('strategy')) }} as is_selected,
    -- what other strategies must beat: a ratio of 1, never traded if that is there
    strategy = coalesce(
        max(case when strategy = 'naive_hold' then strategy end) over (), 'naive'
    ) as is_benchmark
from {{ ref('hedge_strategies') }}
