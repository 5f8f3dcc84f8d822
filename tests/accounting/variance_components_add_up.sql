-- They differ by rounding only, which 1e-9 of the largest component leaves room for (it
-- is a thousand times the hedged variance).
with
sums as (
    select
        symbol,
        timeframe,
        strategy,
        sum(variance) as sum_of_components,
        max(abs(variance)) as largest_component
    from {{ ref('variance_components') }}
    group by symbol, timeframe, strategy
),

-- of r_net itself, not of its parts
variances as (
    select
        series.symbol,
        series.timeframe,
        series.strategy,
        moments.var_net as variance
    from {{ ref('int_moments') }} as moments
    inner join {{ ref('int_series') }} as series on moments.series = series.series
    where moments.bars > 1
)

select
    variances.symbol,
    variances.timeframe,
    variances.strategy,
    variances.variance,
    sums.sum_of_components
from variances
left join sums
    on variances.symbol = sums.symbol
    and variances.timeframe = sums.timeframe
    and variances.strategy = sums.strategy
where
    not coalesce(
        abs(variances.variance - sums.sum_of_components) <= 1e-9 * sums.largest_component,
        false
    )
