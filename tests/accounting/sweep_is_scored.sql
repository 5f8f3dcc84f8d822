-- Each strategy of a sweep is scored on all bars of the sweep's sample, and there is some
-- sample: a sweep without any has windows longer than the data.
{{ config(enabled=var('sweep') != '') }}

with
samples as (select * from {{ ref('int_sweep_samples') }})

select
    strategies.timeframe,
    strategies.strategy,
    samples.symbol,
    samples.evaluated_bars,
    sweep_metrics.bars
from {{ ref('int_sweep_strategies') }} as strategies
inner join samples on strategies.timeframe = samples.timeframe
left join {{ ref('sweep_metrics') }} as sweep_metrics
    on samples.symbol = sweep_metrics.symbol
    and samples.timeframe = sweep_metrics.timeframe
    and strategies.strategy = sweep_metrics.strategy
where
    samples.evaluated_bars <> coalesce(sweep_metrics.bars, 0)
    or not exists (select 1 from samples as others where others.evaluated_bars > 0)
