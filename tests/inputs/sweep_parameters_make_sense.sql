-- What scripts.inputs refuses in a sweep's file, for a plain `dbt build`: names are
-- unique, estimators known, a slope needs three rows, a standard deviation two.
{{ config(enabled=var('sweep') != '') }}

with
counted as (
    select
        *,
        count(*) over (partition by timeframe, strategy) as rows_of_name
    from {{ ref('int_sweep_strategies') }}
)

select
    timeframe,
    strategy,
    rows_of_name,
    estimator,
    beta_window,
    vol_window
from counted
where
    rows_of_name > 1
    or coalesce(strategy, '') = ''
    or estimator not in (
        'none', 'naive', 'static', 'rolling', 'expanding', 'ewma', 'error_correction'
    )
    or beta_window < 3
    or (estimator = 'ewma' and not (halflife >= 1))
    or vol_window < 2
    or not (vol_target > 0)
    or not (rebalance_band >= 0)
    or rebalance_every < 0
    or not (min_trade >= 0)
    or (is_vol_scaled and is_vol_budget)
