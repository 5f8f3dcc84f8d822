-- One row per symbol and timeframe: of each series in order, the ratios that its
-- strategies aim at, a list of the sample's bars. Key: symbol, timeframe.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
samples as (select * from {{ ref('int_sweep_samples') }}),
estimates as (select * from {{ ref('int_sweep_estimates') }}),

series as (
    select
        timeframe,
        series,
        estimate,
        is_vol_budget,
        uses_volatility,
        max(vol_target) as vol_target
    from strategies
    group by timeframe, series, estimate, is_vol_budget, uses_volatility
),

targets as (
    select
        estimates.symbol,
        estimates.timeframe,
        series.series,
        list_transform(
            estimates.estimates[
                samples.warmup_bars + 1:samples.warmup_bars + samples.evaluated_bars
            ],
            lambda known: {{ target_from('known', 'series') }}
        ) as targets
    from estimates
    inner join samples
        on estimates.symbol = samples.symbol
        and estimates.timeframe = samples.timeframe
        and samples.evaluated_bars > 0
    inner join series
        on estimates.timeframe = series.timeframe
        and estimates.estimate = series.estimate
)

select
    symbol,
    timeframe,
    list(targets order by series) as targets
from targets
group by symbol, timeframe
