-- One row per run of raw bars with a fault of their own: copies, no movement, prices out
-- of order, off the grid, or not there; and per leg whose last bar is not complete.
with
raw_steps as (select * from {{ ref('int_raw_steps') }}),
raw_runs as (select * from {{ ref('int_raw_runs') }}),
copied_bars as (select * from {{ ref('int_copied_bars') }}),

-- of several rows with one time, the row that is kept is judged
faulty_bars as (
    select
        marks.leg, marks.symbol, marks.ts, marks.is_flat, marks.is_crossed,
        marks.is_turned_over
    from {{ ref('int_raw_marks') }} as marks
    anti join copied_bars using (leg, symbol, ts)
    where marks.is_flat or marks.is_crossed
    union all
    select
        leg, symbol, ts,
        {{ is_flat_bar() }} as is_flat,
        {{ is_crossed_bar() }} as is_crossed,
        {{ is_turned_over_bar() }} as is_turned_over
    from copied_bars
),

unaligned_bars as (
    select
        leg,
        symbol,
        end_ts - to_microseconds(unnest(range(bars)) * spacing_us) as ts
    from {{ ref('int_bar_runs') }}
    where not is_on_grid
),

flagged_bars as (
    select
        symbol,
        leg,
        case when is_conflicting then 'conflicting_bars' else 'duplicate_bars' end
            as kind,
        case when is_conflicting then 'warn' else 'info' end as severity,
        ts,
        copies - 1 as affected
    from copied_bars
    union all
    select
        symbol,
        leg,
        'flat_bars' as kind,
        'info' as severity,
        ts,
        1 as affected
    from faulty_bars
    where is_flat
    union all
    select
        symbol,
        leg,
        'crossed_prices' as kind,
        -- high and low exchanged: columns are mixed up, and the close is in doubt, too
        case when is_turned_over then 'error' else 'warn' end as severity,
        ts,
        1 as affected
    from faulty_bars
    where is_crossed
    union all
    select
        symbol,
        leg,
        'unaligned_bars' as kind,
        'warn' as severity,
        ts,
        1 as affected
    from unaligned_bars
),

-- each with its place in its series, to be joined into runs
placed as (
    select
        flagged_bars.symbol,
        flagged_bars.leg as source,
        flagged_bars.kind, flagged_bars.severity, flagged_bars.ts,
        {{ add_ms('flagged_bars.ts', 'coalesce(raw_steps.raw_step_ms, 0)') }} as end_ts,
        -- a place in time: bars on both sides of a hole are not consecutive
        cast(
            floor(
                1.0 * {{ ms_between(epoch_start(), 'flagged_bars.ts') }}
                / raw_steps.raw_step_ms
            ) as bigint
        ) as row_index,
        flagged_bars.affected
    from flagged_bars
    inner join raw_steps
        on flagged_bars.leg = raw_steps.leg
        and flagged_bars.symbol = raw_steps.symbol
),

numbered as (
    select
        *,
        {{ run_of('row_index', 'symbol, source, kind, severity') }} as run
    from placed
),

runs as (
    select
        symbol, source, kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        sum(affected) as affected,
        severity,
        case kind
            when 'conflicting_bars'
                then {{ counted('sum(affected)', 'row') }}
                    || ' with the time of another row but other values: the last row of'
                    || ' the last file was kept'
            when 'duplicate_bars'
                then {{ counted('sum(affected)', 'exact copy', 'exact copies') }}
                    || ' of other rows dropped'
            when 'flat_bars'
                then {{ counted('sum(affected)', 'raw bar') }}
                    || ' with zero volume and no movement: the exchange may have halted'
            when 'crossed_prices'
                then {{ counted('sum(affected)', 'raw bar') }}
                    || case
                        when severity = 'error'
                            then ' with its high below its low: columns are mixed up'
                        else
                            ' with an open or close outside its high and low: a price'
                            || ' that was changed later'
                    end
            when 'unaligned_bars'
                then {{ counted('sum(affected)', 'raw bar') }}
                    || ' off the grid of their step, left out'
        end as detail
    from numbered
    group by symbol, source, kind, severity, run
),

-- a bar that is a little late is no hole
wide_runs as (
    select
        raw_runs.*,
        raw_steps.raw_step_ms,
        {{ whole_numbers('raw_runs.run_rows') }} as place
    from raw_runs
    inner join raw_steps
        on raw_runs.leg = raw_steps.leg
        and raw_runs.symbol = raw_steps.symbol
    where raw_runs.spacing_us >= 1500 * raw_steps.raw_step_ms
),

holes as (
    select
        symbol,
        leg,
        {{ add_ms(
            'end_ts', 'raw_step_ms - (run_rows - place + 1) * spacing_us / 1000.0'
        ) }} as ts,
        {{ add_ms('end_ts', '(place - run_rows) * spacing_us / 1000.0') }} as ts_end,
        cast(round(spacing_us / (1000.0 * raw_step_ms)) as bigint) - 1 as bars
    from wide_runs
),

missing_bars as (
    select
        symbol,
        leg as source,
        'missing_bars' as kind,
        ts,
        ts_end,
        bars as affected,
        'warn' as severity,
        {{ counted('bars', 'raw bar') }}
        || ' missing: a halt, or a hole in the file' as detail
    from holes
),

last_bars as (
    {%- for timeframe in fromjson(built_timeframes()) %}
    {%- set ms = fromjson(timeframes_ms())[timeframe] %}
    {{ 'union all' if not loop.first }}
    select
        leg, symbol, last_ts,
        {{ add_ms('last_ts', 'raw_step_ms') }} as end_ts,
        {{ bar_open('last_ts', ms) }} as bar_ts,
        {{ add_ms(bar_open('last_ts', ms), ms) }} as bar_end_ts
    from raw_steps
    where raw_step_ms is not null
    {%- endfor %}
),

-- of several timeframes, the longest bar that the data end within
unfinished_bars as (
    select
        *,
        row_number() over (partition by leg, symbol order by bar_ts) as place
    from last_bars
    where end_ts > {{ build_ts() }} or end_ts < bar_end_ts
),

incomplete_bars as (
    select
        symbol,
        leg as source,
        'incomplete_last_bar' as kind,
        bar_ts as ts,
        end_ts as ts_end,
        1 as affected,
        case when end_ts > {{ build_ts() }} then 'warn' else 'info' end as severity,
        case
            when end_ts > {{ build_ts() }}
                then 'the last raw bar, of ' || {{ minute_of('last_ts') }}
                    || ', ends after this build began: its close may still change'
            else 'the data end at ' || {{ minute_of('end_ts') }} || ', within the bar of '
                || {{ minute_of('bar_ts') }} || ': it is left out'
        end as detail
    from unfinished_bars
    where place = 1
),

incidents as (
    select * from runs
    union all
    select * from missing_bars
    union all
    select * from incomplete_bars
)

select symbol, source, kind, ts, ts_end, affected, severity, detail
from incidents
