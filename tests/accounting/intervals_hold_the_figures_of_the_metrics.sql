-- Both sum the same rows, in an order of their own.
{% set tolerance = '1e-9' %}

with
figures as (
    select
        symbol,
        timeframe,
        strategy,
        'variance_reduction' as metric,
        variance_reduction as figure
    from {{ ref('hedge_metrics') }}
    union all
    select
        symbol,
        timeframe,
        strategy,
        'sharpe' as metric,
        sharpe as figure
    from {{ ref('hedge_metrics') }}
)

select
    symbol,
    timeframe,
    strategy,
    metric,
    figures.figure,
    intervals.estimate,
    intervals.ci_low,
    intervals.ci_high
from figures
full join (
    select *
    from {{ ref('hedge_intervals') }}
    where metric in ('variance_reduction', 'sharpe')
) as intervals
    using (symbol, timeframe, strategy, metric)
where
    (figures.figure is null) <> (intervals.estimate is null)
    or abs(figures.figure - intervals.estimate)
    > {{ tolerance }} * greatest(1, abs(figures.figure))
    or intervals.estimate < intervals.ci_low - {{ tolerance }}
    or intervals.estimate > intervals.ci_high + {{ tolerance }}
