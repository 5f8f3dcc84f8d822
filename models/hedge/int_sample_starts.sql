-- One row per market, for the panel and for a sweep: the first bar at which each strategy
-- has a ratio; several timeframes of a symbol start together. There is none where some
-- strategy never gets a ratio. Key: market, is_sweep.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- the next bar, which has no return yet, starts no sample
first_ratios as (
    select
        targets.market,
        targets.target,
        false as is_sweep,
        min(targets.row_index) filter (where targets.hedge_ratio is not null)
            as first_row
    from {{ ref('int_targets') }} as targets
    inner join merged_bars
        on targets.market = merged_bars.market
        and merged_bars.is_next_bar
        and targets.row_index < merged_bars.row_index
    group by targets.market, targets.target
    {%- if has_sweep() %}
    union all
    select
        market,
        estimate as target,
        true as is_sweep,
        first_row
    from {{ ref('int_sweep_estimates') }}
    {%- endif %}
),

all_have_ratios as (
    select
        market,
        is_sweep,
        case when count(*) = count(first_row) then max(first_row) end as first_row
    from first_ratios
    group by market, is_sweep
),

-- where bars of every timeframe end, the next ones may be the first to be evaluated
own_starts as (
    select
        merged_bars.market, merged_bars.symbol, all_have_ratios.is_sweep,
        min(merged_bars.previous_end_ts) as decision_ts
    from merged_bars
    inner join all_have_ratios
        on merged_bars.market = all_have_ratios.market
        and merged_bars.row_index >= all_have_ratios.first_row
    where
        not merged_bars.is_next_bar
        and {{ is_on_grid('merged_bars.previous_end_ts', common_step_ms()) }}
    group by merged_bars.market, merged_bars.symbol, all_have_ratios.is_sweep
),

common_starts as (
    select
        market,
        is_sweep,
        max(decision_ts) over (partition by symbol, is_sweep) as decision_ts
    from own_starts
)

select
    merged_bars.market,
    common_starts.is_sweep,
    min(merged_bars.row_index) as start_row
from merged_bars
inner join common_starts
    on merged_bars.market = common_starts.market
    and merged_bars.previous_end_ts >= common_starts.decision_ts
where not merged_bars.is_next_bar
group by merged_bars.market, common_starts.is_sweep
