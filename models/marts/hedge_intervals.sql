-- One row per symbol, timeframe, strategy and metric: the figure, and how much of it may
-- be chance. Each interval is for its figure alone: hedge_verdict allows for picking the
-- best of many. NULL where a sample holds too few blocks. Key: symbol, timeframe,
-- strategy, metric.
{% set metrics = [
    'variance_reduction', 'sharpe', 'utility', 'variance_reduction_vs_naive',
    'sharpe_vs_naive', 'utility_vs_benchmark',
] %}

with
replicates as (select * from {{ ref('int_bootstrap_replicates') }}),
series as (select * from {{ ref('int_series') }}),
strategies as (select * from {{ ref('int_strategies') }}),
long_run_variances as (select * from {{ ref('int_long_run_variances') }}),

figures as (
    select
        replicates.series, series.market, series.timeframe, series.strategy,
        replicates.replicate, replicates.blocks, replicates.mean_net,
        1 - replicates.var_net / nullif(replicates.var_spot, 0) as variance_reduction,
        replicates.mean_net / nullif(sqrt(replicates.var_net), 0)
        * sqrt({{ periods_per_year('series.timeframe') }}) as sharpe,
        {{ utility('replicates.mean_net', 'replicates.var_net', 'series.timeframe') }}
            as utility
    from replicates
    inner join series on replicates.series = series.series
),

-- the same blocks on both sides
paired as (
    select
        figures.*,
        figures.variance_reduction - naive.variance_reduction
            as variance_reduction_vs_naive,
        figures.sharpe - naive.sharpe as sharpe_vs_naive,
        figures.utility - benchmark.utility as utility_vs_benchmark
    from figures
    left join figures as naive
        on figures.market = naive.market
        and figures.replicate = naive.replicate
        and naive.strategy = 'naive'
        and figures.strategy <> 'naive'
    left join figures as benchmark
        on figures.market = benchmark.market
        and figures.replicate = benchmark.replicate
        and benchmark.strategy in (
            select strategies.strategy from strategies where strategies.is_benchmark
        )
        and figures.strategy <> benchmark.strategy
),

spread as (
    select
        series, timeframe, strategy,
        {{ critical_value(
            normal_quantile(), 'max(case when replicate > 0 then blocks end)'
        ) }} as critical_value,
        max(blocks) as blocks,
        max(case when replicate = 0 then mean_net end) as mean_net,
        {%- for metric in metrics %}
        max(case when replicate = 0 then {{ metric }} end) as {{ metric }},
        {{ spread_of(metric) }} as {{ metric }}_error,
        {%- endfor %}
        {{ spread_of(
            'case when variance_reduction < 1 then ln(1 - variance_reduction) end'
        ) }} as log_remaining_error
    from paired
    group by series, timeframe, strategy
),

-- Lo (2002): with autocorrelation, the risk of a year is not that of its bars. NULL where
-- the Sharpe ratio is: spot alone cannot tell the risk of a hedge
long_run_sharpes as (
    select
        spread.*,
        long_run_variances.bars,
        case when spread.sharpe is not null then spread.mean_net end
        / nullif(sqrt(long_run_variances.long_run_var), 0)
        * sqrt({{ periods_per_year('spread.timeframe') }}) as sharpe_long_run
    from spread
    left join long_run_variances
        on spread.series = long_run_variances.series
),

-- by the delta method, the error of the mean, and that of a Bartlett estimate itself,
-- whose variance is 4/3 of its square over the number of blocks (Priestley 1981)
long_run_errors as (
    select
        *,
        sqrt(
            {{ periods_per_year('timeframe') }} / bars
            + power(sharpe_long_run, 2) / (3 * blocks)
        ) as sharpe_long_run_error
    from long_run_sharpes
),

intervals as (
    {%- for metric in metrics + ['sharpe_long_run'] %}
    select
        series,
        '{{ metric }}' as metric,
        {{ metric }} as estimate,
        {%- if metric == 'variance_reduction' %}
        -- the variance that remains cannot fall below 0: its logarithm is near normal
        1 - (1 - {{ metric }}) * exp(critical_value * log_remaining_error) as ci_low,
        1 - (1 - {{ metric }}) * exp(-critical_value * log_remaining_error) as ci_high,
        {%- else %}
        {{ metric }} - critical_value * {{ metric }}_error as ci_low,
        {{ metric }} + critical_value * {{ metric }}_error as ci_high,
        {%- endif %}
        {{ metric }}_error as std_error
    from long_run_errors
    {%- if metric.endswith('_vs_naive') %}
    where strategy <> 'naive'
    {%- elif metric.endswith('_vs_benchmark') %}
    where
        strategy not in (
            select strategies.strategy from strategies where strategies.is_benchmark
        )
    {%- endif %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    series.symbol,
    series.timeframe,
    series.strategy,
    intervals.metric,
    intervals.estimate,
    case when intervals.estimate is not null then intervals.ci_low end as ci_low,
    case when intervals.estimate is not null then intervals.ci_high end as ci_high,
    case when intervals.estimate is not null then intervals.std_error end as std_error
from intervals
inner join series on intervals.series = series.series
