-- One row per leg whose files hold unusable rows, switch their unit of time, reach
-- further than the other leg's, or lack a counterpart.
with
raw_steps as (select * from {{ ref('int_raw_steps') }}),
input_files as (select * from {{ ref('int_input_files') }}),
unusable as (select * from {{ ref('int_raw_marks') }} where not is_usable),

unusable_rows as (
    select
        symbol,
        leg as source,
        case when leg = 'funding' then 'unusable_rate' else 'unusable_price' end as kind,
        coalesce(min(ts), {{ epoch_start() }}) as ts,
        coalesce(max(ts), {{ epoch_start() }}) as ts_end,
        count(*) as affected,
        'error' as severity,
        {{ counted('count(*)', 'row') }}
        || case
            when leg = 'funding' then ' without a finite rate, or without a time'
            else ' with a price that is null, not finite or not positive,'
                || ' or without a time'
        end
        || ': mend or drop them, the first is row '
        || cast(
            {{ first_by('source_row', row_of('source_file', 'source_row')) }} as varchar
        )
        || ' of ' || min(source_file) as detail
    from unusable
    group by symbol, leg
),

timed_rows as (
    select
        symbol, leg, time_unit,
        least(first_ts, last_ts) as first_ts,
        stretch_rows as input_rows
    from {{ ref('int_raw_stretches') }}
    union all
    select
        symbol, leg, time_unit,
        ts as first_ts,
        1 as input_rows
    from unusable
),

-- the units in which a leg's integer times count, each with its first time
time_units as (
    select
        symbol, leg, time_unit,
        min(first_ts) as first_ts,
        sum(input_rows) as input_rows
    from timed_rows
    where time_unit is not null
    group by symbol, leg, time_unit
),

ordered_units as (
    select
        *,
        lag(time_unit) over (partition by symbol, leg order by first_ts, time_unit)
            as previous_unit
    from time_units
),

switched_units as (
    select
        symbol,
        leg as source,
        'time_unit_switched' as kind,
        first_ts as ts,
        first_ts as ts_end,
        input_rows as affected,
        'info' as severity,
        {{ counted('input_rows', 'row') }} || ' with times in ' || time_unit || ' after '
        || previous_unit || ': each time was read in its own unit' as detail
    from ordered_units
    where previous_unit is not null
),

-- what one leg has before or after the time that both legs have
leg_spans as (
    select
        symbol,
        leg,
        max(first_ts) over by_symbol as common_start_ts,
        min({{ add_ms('last_ts', 'coalesce(raw_step_ms, 0)') }}) over by_symbol
            as common_end_ts
    from raw_steps
    window by_symbol as (partition by symbol)
),

bar_runs as (
    select
        bar_runs.*,
        {{ bars_from('leg_spans.common_start_ts', 'bar_runs') }} as bars_from_start,
        {{ bars_from('leg_spans.common_end_ts', 'bar_runs') }} as bars_from_end
    from {{ ref('int_bar_runs') }} as bar_runs
    inner join leg_spans using (symbol, leg)
),

bars_outside as (
    select
        symbol,
        leg,
        true as is_before,
        end_ts - to_microseconds((bars - 1) * spacing_us) as first_ts,
        end_ts - to_microseconds(bars_from_start * spacing_us) as last_ts,
        bars - bars_from_start as bars,
        raw_step_ms
    from bar_runs
    where bars_from_start < bars
    union all
    select
        symbol,
        leg,
        false as is_before,
        end_ts - to_microseconds((bars_from_end - 1) * spacing_us) as first_ts,
        end_ts as last_ts,
        bars_from_end as bars,
        raw_step_ms
    from bar_runs
    where bars_from_end > 0
),

spans as (
    select
        symbol,
        leg as source,
        'span_differs' as kind,
        min(first_ts) as ts,
        {{ add_ms('max(last_ts)', 'max(coalesce(raw_step_ms, 0))') }} as ts_end,
        sum(bars) as affected,
        'info' as severity,
        {{ counted('sum(bars)', 'raw bar') }}
        || case
            when is_before then ' before the other leg begins'
            else ' after the other leg ends'
        end || ': not in the sample' as detail
    from bars_outside
    group by symbol, leg, is_before
),

absent_legs as (
    select
        symbol,
        {{ joined_text('leg') }} as source,
        'leg_missing' as kind,
        min(first_ts) as ts,
        max(last_ts) as ts_end,
        sum(usable_rows) as affected,
        'warn' as severity,
        {{ counted('sum(usable_rows)', 'row') }}
        || ' of a symbol that another input does not have: it is not evaluated' as detail
    from input_files
    where first_ts is not null
    group by symbol
    having count(distinct leg) < {{ 2 if perp_is_proxy() else 3 }}
),

incidents as (
    select * from unusable_rows
    union all
    select * from switched_units
    union all
    select * from spans
    union all
    select * from absent_legs
)

select symbol, source, kind, ts, ts_end, affected, severity, detail
from incidents
