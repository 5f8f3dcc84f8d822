-- Every strategy with its 95% intervals, best score first.
with
intervals as (
    select
        symbol, timeframe, strategy,
        any_value(case when metric = 'utility' then estimate end) as utility,
        any_value(
            case when metric = 'sharpe' then [round(ci_low, 2), round(ci_high, 2)] end
        ) as sharpe_95,
        any_value(
            case
                when metric = 'variance_reduction'
                    then [round(ci_low, 5) + 0.0, round(ci_high, 5) + 0.0]
            end
        ) as removed_95
    from {{ ref('hedge_intervals') }}
    group by symbol, timeframe, strategy
)

select
    symbol,
    timeframe,
    strategy,
    round(intervals.utility, 5) as utility,
    round(metrics.sharpe, 2) as sharpe,
    intervals.sharpe_95,
    round(metrics.variance_reduction, 5) as variance_removed,
    intervals.removed_95
from {{ ref('hedge_metrics') }} as metrics
left join intervals using (symbol, timeframe, strategy)
order by symbol asc, timeframe asc, intervals.utility desc nulls last, strategy asc
