-- One row per symbol, timeframe and strategy: its worst week, its worst bars and the mean
-- of the worst 5 % of bars, of r_net. All keep the sign of a return. A calendar week
-- (Monday to Sunday, UTC) counts if 5 days of it were evaluated.
{% set least_week_ms = 5 * 24 * 3600 * 1000 %}

with
series as (select * from {{ ref('int_series') }}),
samples as (select * from {{ ref('int_samples') }}),
positions as (select * from {{ ref('int_positions') }}),

bars as (
    select
        market, row_index, ts,
        cast(date_trunc('week', ts) as date) as week_start
    from {{ ref('int_merged_bars') }}
),

returns as (
    select
        series.series,
        series.timeframe,
        {{ tail_bars('samples.evaluated_bars') }} as tail_bars,
        bars.ts, bars.week_start, positions.r_net
    from positions
    inner join series on positions.series = series.series
    inner join samples on series.market = samples.market
    inner join bars
        on series.market = bars.market
        and positions.row_index = bars.row_index
    where positions.r_net is not null
),

weeks as (
    select
        series,
        week_start,
        {{ compounded('r_net') }} as week_return
    from returns
    group by series, timeframe, week_start
    having count(*) * {{ ms_of_timeframe('timeframe') }} >= {{ least_week_ms }}
),

worst_weeks as (
    select
        series,
        min(week_return) as worst_week,
        -- the first of equal ones
        {{ first_by('week_start', row_of('week_return', 'week_start')) }}
            as worst_week_start
    from weeks
    group by series
),

worst_bars as (
    select
        series,
        {{ mean_of_lowest('r_net', 'tail_bars') }} as tail_mean,
        min(r_net) as worst_bar,
        {{ first_by('ts', row_of('r_net', 'ts')) }} as worst_bar_ts
    from returns
    group by series
)

select
    series.symbol,
    series.timeframe,
    series.strategy,
    {{ null_if_proxy('worst_weeks.worst_week') }} as worst_week,
    {{ null_if_proxy('worst_weeks.worst_week_start') }} as worst_week_start,
    {{ null_if_proxy('worst_bars.tail_mean') }} as expected_shortfall_95,
    {{ null_if_proxy('worst_bars.worst_bar') }} as worst_bar,
    {{ null_if_proxy('worst_bars.worst_bar_ts') }} as worst_bar_ts
from worst_bars
inner join series on worst_bars.series = series.series
left join worst_weeks on worst_bars.series = worst_weeks.series
