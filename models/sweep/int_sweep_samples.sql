-- One row per symbol and timeframe: the sample of the sweep, from the first bar at which
-- each of its own strategies has a ratio. NULL where one never gets any. Key: symbol,
-- timeframe.
{{ config(enabled=var('sweep') != '') }}

with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

first_ratios as (
    select
        symbol,
        timeframe,
        estimate as strategy,
        first_ts as ts,
        false as is_next_bar,
        case when first_ts is not null then 1 end as hedge_ratio
    from {{ ref('int_sweep_estimates') }}
),

starts as ({{ sample_starts('first_ratios') }})

select
    merged_bars.symbol,
    merged_bars.timeframe,
    {{ periods_per_year('merged_bars.timeframe') }} as periods_per_year,
    min(starts.start_ts) as start_ts,
    count(case when merged_bars.ts >= starts.start_ts then 1 end) as evaluated_bars,
    -- of those that take a ratio
    count(case when merged_bars.ts < starts.start_ts then merged_bars.r_spot end)
        as warmup_bars,
    -- over an ordered list: the last digits of a sum follow its order
    list_var_samp(
        list(
            case when merged_bars.ts >= starts.start_ts then merged_bars.r_spot end
            order by merged_bars.ts
        )
    ) as var_spot
from merged_bars
left join starts
    on merged_bars.symbol = starts.symbol
    and merged_bars.timeframe = starts.timeframe
where not merged_bars.is_next_bar
group by merged_bars.symbol, merged_bars.timeframe
