-- One row per symbol, timeframe, strategy and evaluated bar, and a series of spot's own
-- returns under an empty name: sums over all bars before the bar, from which those over
-- any stretch of bars follow. Key: symbol, timeframe, strategy, place.
with
returns as (select * from {{ ref('returns_decomposed') }}),

first_strategies as (
    select
        symbol,
        timeframe,
        min(strategy) as strategy
    from returns
    group by symbol, timeframe
),

series_returns as (
    select symbol, timeframe, strategy, ts, r_net as return
    from returns
    union all
    select
        symbol,
        timeframe,
        {{ spot_series() }} as strategy,
        returns.ts,
        returns.r_spot as return
    from returns
    inner join first_strategies using (symbol, timeframe, strategy)
),

series as (
    select
        symbol,
        timeframe,
        strategy,
        count(*) as bars,
        avg(return) as mean,
        var_samp(return) as variance
    from series_returns
    group by symbol, timeframe, strategy
),

-- around the mean, or variances would drown in the rounding of sums
centred as (
    select
        series_returns.symbol,
        series_returns.timeframe,
        series_returns.strategy,
        series_returns.ts,
        series_returns.return - series.mean as deviation,
        series.bars,
        series.mean,
        series.variance
    from series_returns
    inner join series
        on series_returns.symbol = series.symbol
        and series_returns.timeframe = series.timeframe
        and series_returns.strategy = series.strategy
)

select
    symbol,
    timeframe,
    strategy,
    row_number() over to_date as place,
    bars,
    mean,
    variance,
    sum(deviation) over to_date - deviation as total,
    sum(deviation * deviation) over to_date - deviation * deviation as squares
from centred
window to_date as (
    partition by symbol, timeframe, strategy
    order by ts
    rows between unbounded preceding and current row
)
