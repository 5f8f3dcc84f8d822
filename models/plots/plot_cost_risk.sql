-- One row per symbol, timeframe, strategy that hedges, and table it comes from: what the
-- hedge costs a year, and the risk that it leaves a day. Those of a sweep are scored on a
-- sample of their own. Key: is_sweep, symbol, timeframe, strategy.
{{ config(materialized='view') }}

{% set figures = ['symbol', 'timeframe', 'strategy', 'bars', 'fees', 'volatility'] %}

with
strategies as (select * from {{ ref('int_strategies') }}),

hedges as (
    select
        {%- for name in figures %}
        metrics.{{ name }},
        {%- endfor %}
        false as is_sweep,
        strategies.estimator, strategies.beta_window, strategies.rebalance_band,
        strategies.uses_volatility
    from {{ ref('hedge_metrics') }} as metrics
    inner join strategies
        on metrics.timeframe = strategies.timeframe
        and metrics.strategy = strategies.strategy
    {%- if has_sweep() %}
    union all
    select
        {%- for name in figures %}
        {{ name }},
        {%- endfor %}
        true as is_sweep,
        estimator, beta_window, rebalance_band,
        is_vol_scaled or is_vol_budget as uses_volatility
    from {{ ref('sweep_metrics') }}
    {%- endif %}
)

select
    symbol,
    timeframe,
    strategy,
    is_sweep,
    estimator,
    beta_window,
    rebalance_band,
    uses_volatility,
    0 - 10000 * fees * {{ periods_per_year('timeframe') }} / bars as cost_bps_per_year,
    10000 * volatility / sqrt(365) as risk_bps_per_root_day
from hedges
where estimator <> 'none' and volatility is not null
