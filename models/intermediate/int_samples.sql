-- One row per symbol and timeframe: the sample that every strategy is scored on. It
-- starts at the first bar at which all of them have a ratio; several timeframes of a
-- symbol start together. start_ts is NULL, and no bar is evaluated, where some strategy
-- never gets a ratio. Key: symbol, timeframe.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

first_ratios as (
    select
        symbol,
        timeframe,
        strategy,
        min(case when hedge_ratio is not null then ts end) as first_ts
    from {{ ref('int_hedge_ratios') }}
    where not is_next_bar
    group by symbol, timeframe, strategy
),

all_have_ratios as (
    select
        symbol,
        timeframe,
        case when count(*) = count(first_ts) then max(first_ts) end as first_ts
    from first_ratios
    group by symbol, timeframe
),

-- where bars of every timeframe end, the next ones may be the first to be evaluated
own_starts as (
    select
        merged_bars.symbol,
        merged_bars.timeframe,
        min(merged_bars.previous_end_ts) as decision_ts
    from merged_bars
    inner join all_have_ratios
        on merged_bars.symbol = all_have_ratios.symbol
        and merged_bars.timeframe = all_have_ratios.timeframe
        and merged_bars.ts >= all_have_ratios.first_ts
    where
        not merged_bars.is_next_bar
        and {{ is_on_grid('merged_bars.previous_end_ts', common_step_ms()) }}
    group by merged_bars.symbol, merged_bars.timeframe
),

common_starts as (
    select
        symbol,
        timeframe,
        max(decision_ts) over (partition by symbol) as decision_ts
    from own_starts
),

starts as (
    select
        merged_bars.symbol,
        merged_bars.timeframe,
        min(merged_bars.ts) as start_ts
    from merged_bars
    inner join common_starts
        on merged_bars.symbol = common_starts.symbol
        and merged_bars.timeframe = common_starts.timeframe
        and merged_bars.previous_end_ts >= common_starts.decision_ts
    group by merged_bars.symbol, merged_bars.timeframe
)

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
