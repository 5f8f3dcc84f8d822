-- One row per symbol and timeframe: the sample that every strategy is scored on. It
-- starts at the first bar at which all of them have a ratio; several timeframes of a
-- symbol start together. start_ts is NULL, and no bar is evaluated, where some strategy
-- never gets a ratio. Key: symbol, timeframe.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

starts as ({{ sample_starts(ref('int_hedge_ratios')) }})

select
    merged_bars.symbol,
    merged_bars.timeframe,
    {{ periods_per_year('merged_bars.timeframe') }} as periods_per_year,
    min(starts.start_ts) as start_ts,
    max(case when merged_bars.ts >= starts.start_ts then merged_bars.ts end) as end_ts,
    count(*) as merged_bars,
    count(case when merged_bars.ts >= starts.start_ts then 1 end) as evaluated_bars,
    count(*) - count(case when merged_bars.ts >= starts.start_ts then 1 end)
        as warmup_bars,
    count(case when merged_bars.is_gap then 1 end) as gap_bars,
    max(static_estimates.correlation) as correlation,
    max(static_estimates.beta) as beta_static,
    sum(case when merged_bars.ts >= starts.start_ts then merged_bars.funding_rate end)
        as funding_total
from merged_bars
left join starts
    on merged_bars.symbol = starts.symbol
    and merged_bars.timeframe = starts.timeframe
left join static_estimates
    on merged_bars.symbol = static_estimates.symbol
    and merged_bars.timeframe = static_estimates.timeframe
where not merged_bars.is_next_bar
group by merged_bars.symbol, merged_bars.timeframe
