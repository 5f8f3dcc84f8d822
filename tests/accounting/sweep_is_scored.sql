-- Each strategy of a sweep is scored at each symbol and timeframe, and on all bars of the
-- sample. A sweep that is not has windows longer than the data.
{{ config(enabled=var('sweep') != '') }}

select
    strategies.timeframe,
    strategies.strategy,
    samples.symbol,
    samples.evaluated_bars,
    sweep_metrics.bars
from {{ ref('int_sweep_strategies') }} as strategies
inner join {{ ref('int_sweep_samples') }} as samples
    on strategies.timeframe = samples.timeframe
left join {{ ref('sweep_metrics') }} as sweep_metrics
    on samples.symbol = sweep_metrics.symbol
    and samples.timeframe = sweep_metrics.timeframe
    and strategies.strategy = sweep_metrics.strategy
where sweep_metrics.bars is null or sweep_metrics.bars <> samples.evaluated_bars
