-- What scripts.inputs refuses in a sweep's file, for a plain `dbt build`: names are
-- unique, and parameters those that a row of the seed may have.
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
    or {{ has_unfit_parameters() }}
