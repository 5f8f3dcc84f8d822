-- One row per market: the sample that every strategy is scored on. start_ts is NULL, and
-- no bar is evaluated, where some strategy never gets a ratio. Key: market.
with
merged_bars as (select * from {{ ref('int_merged_bars') }} where not is_next_bar),
starts as (select * from {{ ref('int_sample_starts') }} where not is_sweep),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

bars as (
    select
        merged_bars.*,
        starts.start_row,
        coalesce(merged_bars.row_index >= starts.start_row, false) as is_evaluated
    from merged_bars
    left join starts on merged_bars.market = starts.market
)

select
    bars.market,
    bars.symbol,
    bars.timeframe,
    {{ periods_per_year('bars.timeframe') }} as periods_per_year,
    min(bars.ts) filter (where bars.is_evaluated) as start_ts,
    max(bars.ts) filter (where bars.is_evaluated) as end_ts,
    max(bars.start_row) as start_row,
    max(bars.row_index) as end_row,
    count(*) as merged_bars,
    count(*) filter (where bars.is_evaluated) as evaluated_bars,
    count(*) filter (where not bars.is_evaluated) as warmup_bars,
    count(*) filter (where bars.is_gap) as gap_bars,
    max(static_estimates.correlation) as correlation,
    max(static_estimates.beta) as beta_static,
    {{ exact_sum('case when bars.is_evaluated then bars.funding_rate end') }}
        as funding_total
from bars
left join static_estimates on bars.market = static_estimates.market
group by bars.market, bars.symbol, bars.timeframe
