-- Whatever the bar size, a symbol's evaluated bars begin and end at the same instants,
-- and spot grows as much over them.
{{ config(enabled=fromjson(has_several_timeframes())) }}

with
spans as (
    select
        samples.symbol,
        samples.timeframe,
        min(bars.previous_end_ts) as start_ts,
        max(bars.end_ts) as end_ts,
        sum(ln(1 + bars.r_spot)) as growth
    from {{ ref('int_samples') }} as samples
    inner join {{ ref('int_merged_bars') }} as bars
        on samples.symbol = bars.symbol
        and samples.timeframe = bars.timeframe
        and bars.ts between samples.start_ts and samples.end_ts
    group by samples.symbol, samples.timeframe
)

select
    symbol,
    count(*) as timeframes,
    min(start_ts) as first_start_ts,
    max(start_ts) as last_start_ts,
    min(end_ts) as first_end_ts,
    max(end_ts) as last_end_ts,
    max(growth) - min(growth) as growth_difference
from spans
group by symbol
having
    min(start_ts) <> max(start_ts)
    or min(end_ts) <> max(end_ts)
    or not coalesce(max(growth) - min(growth) < 1e-9, false)
