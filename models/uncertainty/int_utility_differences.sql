-- One row per market and strategy tried, those of a sweep included: its difference in U
-- to the benchmark, the error of that, and its turnover over the panel's sample. The
-- error is NULL where the two are the same series but for rounding. Key: market,
-- strategy, is_of_sweep.
with
samples as (select * from {{ ref('int_samples') }}),
intervals as (
    select * from {{ ref('hedge_intervals') }} where metric = 'utility_vs_benchmark'
),
metrics as (select * from {{ ref('hedge_metrics') }}),

tried as (
    select
        metrics.symbol, metrics.timeframe, metrics.strategy,
        false as is_of_sweep,
        intervals.estimate as delta_utility,
        intervals.std_error,
        metrics.turnover
    from metrics
    left join intervals
        on metrics.symbol = intervals.symbol
        and metrics.timeframe = intervals.timeframe
        and metrics.strategy = intervals.strategy
    {%- if has_sweep() %}
    union all
    select
        sweep_metrics.symbol, sweep_metrics.timeframe, sweep_metrics.strategy,
        true as is_of_sweep,
        -- what the sweep took from the panel is counted there
        case when not swept.is_from_panel then sweep_metrics.delta_utility end
            as delta_utility,
        case when not swept.is_from_panel then sweep_metrics.std_error end as std_error,
        -- a sample of its own may have other bars
        sweep_metrics.turnover * samples.evaluated_bars / sweep_metrics.bars as turnover
    from {{ ref('sweep_metrics') }} as sweep_metrics
    inner join {{ ref('int_sweep_strategies') }} as swept
        on sweep_metrics.timeframe = swept.timeframe
        and sweep_metrics.strategy = swept.strategy
    inner join samples
        on sweep_metrics.symbol = samples.symbol
        and sweep_metrics.timeframe = samples.timeframe
    {%- endif %}
)

select
    samples.market,
    tried.strategy,
    tried.is_of_sweep,
    tried.delta_utility,
    case when tried.std_error > 1e-12 then tried.std_error end as std_error,
    tried.turnover
from tried
inner join samples
    on tried.symbol = samples.symbol
    and tried.timeframe = samples.timeframe
