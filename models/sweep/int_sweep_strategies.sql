-- One row per timeframe and strategy of the sweep: those of the file, and from the panel
-- naive, the benchmark and the selected strategy.
-- Strategies of one estimate have the same slope and volatility, and those of one series
-- the same target, at each bar. Key: timeframe, strategy.
{{ config(enabled=var('sweep') != '') }}

{% set columns = fromjson(strategy_columns()) | join(', ') %}

with
panel as (select * from {{ ref('hedge_strategies') }}),
of_file as (select * from {{ ref('stg_sweep_rows') }}),

of_panel as (
    select *
    from panel
    where strategy in ('naive', 'naive_hold', {{ sql_text(var('strategy')) }})
),

sweep_rows as (
    select {{ columns }} from of_file
    union all
    select {{ columns }} from of_panel
),

strategies as ({{ strategies_from('sweep_rows') }})

select
    *,
    strategy in (select of_panel.strategy from of_panel) as is_from_panel,
    dense_rank() over (
        partition by timeframe
        order by
            estimator,
            case when estimator not in ('none', 'naive', 'static') then beta_window end,
            halflife,
            case when uses_volatility then vol_window end
    ) as estimate,
    dense_rank() over (
        partition by timeframe
        order by
            estimator,
            case when estimator not in ('none', 'naive', 'static') then beta_window end,
            halflife,
            case when uses_volatility then vol_window end,
            is_vol_scaled,
            is_vol_budget,
            case when uses_volatility then vol_target end
    ) as series
from strategies
