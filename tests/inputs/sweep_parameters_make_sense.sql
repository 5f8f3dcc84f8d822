-- What scripts.inputs rejects in a sweep's file, for a plain `dbt build`: names are
-- plain, unique and not the panel's, and parameters are those that a row may have.
{{ config(enabled=var('sweep') != '') }}

with
panel as (select strategy from {{ ref('hedge_strategies') }}),

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
    or not coalesce({{ is_plain_name('strategy') }}, false)
    or (not is_from_panel and strategy in (select panel.strategy from panel))
    or {{ has_unfit_parameters() }}
