-- One row per market: the sample that every strategy is scored on. It starts at the first
-- bar at which all of them have a ratio; several timeframes of a symbol start together.
-- start_ts is NULL, and no bar is evaluated, where some strategy never gets a ratio.
-- Key: market.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

-- the next bar, which has no return yet, starts no sample
first_ratios as (
    select
        targets.market,
        targets.target,
        min(targets.row_index) filter (where targets.hedge_ratio is not null)
            as first_row
    from {{ ref('int_targets') }} as targets
    inner join merged_bars
        on targets.market = merged_bars.market
        and merged_bars.is_next_bar
        and targets.row_index < merged_bars.row_index
    group by targets.market, targets.target
),

all_have_ratios as (
    select
        market,
        case when count(*) = count(first_row) then max(first_row) end as first_row
    from first_ratios
    group by market
),

-- where bars of every timeframe end, the next ones may be the first to be evaluated
own_starts as (
    select
        merged_bars.market,
        merged_bars.symbol,
        min(merged_bars.previous_end_ts) as decision_ts
    from merged_bars
    inner join all_have_ratios
        on merged_bars.market = all_have_ratios.market
        and merged_bars.row_index >= all_have_ratios.first_row
    where
        not merged_bars.is_next_bar
        and {{ is_on_grid('merged_bars.previous_end_ts', common_step_ms()) }}
    group by merged_bars.market, merged_bars.symbol
),

common_starts as (
    select
        market,
        max(decision_ts) over (partition by symbol) as decision_ts
    from own_starts
)

select
    merged_bars.market,
    merged_bars.symbol,
    merged_bars.timeframe,
    {{ periods_per_year('merged_bars.timeframe') }} as periods_per_year,
    min(merged_bars.ts) filter (where {{ is_evaluated() }}) as start_ts,
    max(merged_bars.ts) filter (where {{ is_evaluated() }}) as end_ts,
    min(merged_bars.row_index) filter (where {{ is_evaluated() }}) as start_row,
    max(merged_bars.row_index) as end_row,
    count(*) as merged_bars,
    count(*) filter (where {{ is_evaluated() }}) as evaluated_bars,
    count(*) - count(*) filter (where {{ is_evaluated() }}) as warmup_bars,
    count(*) filter (where merged_bars.is_gap) as gap_bars,
    max(static_estimates.correlation) as correlation,
    max(static_estimates.beta) as beta_static,
    {{ exact_sum(
        'case when ' ~ is_evaluated() ~ ' then merged_bars.funding_rate end'
    ) }} as funding_total
from merged_bars
left join common_starts on merged_bars.market = common_starts.market
left join static_estimates on merged_bars.market = static_estimates.market
where not merged_bars.is_next_bar
group by merged_bars.market, merged_bars.symbol, merged_bars.timeframe
