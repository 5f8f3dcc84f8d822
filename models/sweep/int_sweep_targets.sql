-- One row per market: of each series in order, the ratios that its strategies aim at, a
-- list of the sample's bars. Key: market.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
samples as (select * from {{ ref('int_sweep_samples') }}),
estimates as (select * from {{ ref('int_sweep_estimates') }}),

series as (
    select
        timeframe, series, estimate, is_vol_budget, uses_volatility,
        max(vol_target) as vol_target
    from strategies
    group by timeframe, series, estimate, is_vol_budget, uses_volatility
),

targets as (
    select
        samples.market,
        series.series,
        list_transform(
            estimates.estimates[
                samples.warmup_bars + 1:samples.warmup_bars + samples.evaluated_bars
            ],
            lambda known: {{ target_from('known', 'series') }}
        ) as targets
    from samples
    inner join series on samples.timeframe = series.timeframe
    inner join estimates
        on samples.market = estimates.market
        and series.estimate = estimates.estimate
    where samples.evaluated_bars > 0
)

select
    market,
    list(targets order by series) as targets
from targets
group by market
