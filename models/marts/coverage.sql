-- One row per symbol, source and month: how much of the raw data is there. Expected is
-- what the time that spot and perp span together holds, in steps of the leg or at the
-- prints' interval: a leg that begins late shows it, a month that has just begun does
-- not.
with
bar_runs as (select * from {{ ref('int_bar_runs') }} where is_on_grid),
raw_steps as (select * from {{ ref('int_raw_steps') }}),
prints as (select * from {{ ref('int_print_intervals') }}),

spans as (
    select
        symbol,
        min(first_ts) as start_ts,
        max({{ add_ms('last_ts', 'coalesce(raw_step_ms, 0)') }}) as end_ts
    from raw_steps
    group by symbol
),

calendar as (
    select
        symbol, start_ts, end_ts,
        {{ month_starts('start_ts', 'end_ts') }} as month
    from spans
),

months as (
    select
        symbol,
        month,
        greatest(start_ts, month) as start_ts,
        least(end_ts, {{ next_month('month') }}) as end_ts
    from calendar
),

present_bars as (
    select
        bar_runs.leg, bar_runs.symbol, months.month,
        sum(
            {{ bars_from('months.month', 'bar_runs') }}
            - {{ bars_from(next_month('months.month'), 'bar_runs') }}
        ) as bars
    from bar_runs
    inner join months on bar_runs.symbol = months.symbol
    group by bar_runs.leg, bar_runs.symbol, months.month
),

bars as (
    select
        months.symbol,
        raw_steps.leg as source,
        months.month,
        -- bars whose open lies in the month
        cast(
            ceil(
                {{ ms_between(epoch_start(), 'months.end_ts') }}
                / (1.0 * raw_steps.raw_step_ms)
            ) - ceil(
                {{ ms_between(epoch_start(), 'months.start_ts') }}
                / (1.0 * raw_steps.raw_step_ms)
            ) as bigint
        ) as bars_expected,
        cast(coalesce(present_bars.bars, 0) as bigint) as bars_present
    from months
    inner join raw_steps using (symbol)
    left join present_bars
        on months.symbol = present_bars.symbol
        and raw_steps.leg = present_bars.leg
        and months.month = present_bars.month
),

-- stretches without prints that should be there: after a print, and at both ends
gaps as (
    select
        symbol, ts, interval_hours,
        missing_prints_after as missing
    from prints
    union all
    select
        prints.symbol,
        max(prints.ts) as ts,
        {{ last_by('prints.interval_hours', 'prints.ts') }} as interval_hours,
        cast(
            ceil(
                {{ ms_between('max(prints.ts)', 'max(spans.end_ts)') }} / 3600000.0
                / {{ last_by('prints.interval_hours', 'prints.ts') }}
            ) as integer
        ) - 1 as missing
    from prints
    inner join spans using (symbol)
    group by prints.symbol
    union all
    select
        prints.symbol,
        min(prints.ts) as ts,
        -{{ first_by('prints.interval_hours', 'prints.ts') }} as interval_hours,
        cast(
            floor(
                {{ ms_between('max(spans.start_ts)', 'min(prints.ts)') }} / 3600000.0
                / {{ first_by('prints.interval_hours', 'prints.ts') }}
            ) as integer
        ) as missing
    from prints
    inner join spans using (symbol)
    group by prints.symbol
),

numbered_gaps as (
    select
        symbol, ts, interval_hours,
        {{ whole_numbers('missing') }} as place
    from gaps
),

print_times as (
    select symbol, ts, true as is_present from prints
    union all
    select
        symbol,
        {{ add_ms('ts', 'place * interval_hours * 3600000') }} as ts,
        false as is_present
    from numbered_gaps
),

funding as (
    select
        months.symbol,
        'funding' as source,
        months.month,
        count(print_times.ts) as prints_expected,
        count(case when print_times.is_present then 1 end) as prints_present
    from months
    left join print_times
        on months.symbol = print_times.symbol
        and print_times.ts >= months.start_ts
        and print_times.ts < months.end_ts
    group by months.symbol, months.month
),

counted as (
    select
        symbol, source, month, bars_expected, bars_present,
        cast(null as bigint) as prints_expected,
        cast(null as bigint) as prints_present
    from bars
    union all
    select
        symbol, source, month,
        cast(null as bigint) as bars_expected,
        cast(null as bigint) as bars_present,
        prints_expected,
        prints_present
    from funding
)

select
    symbol,
    source,
    cast(month as date) as month,
    bars_expected,
    bars_present,
    prints_expected,
    prints_present,
    1.0 * coalesce(bars_present, prints_present)
    / nullif(coalesce(bars_expected, prints_expected), 0) as share
from counted
