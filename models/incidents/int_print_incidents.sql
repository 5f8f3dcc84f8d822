-- One row per stretch of time without a funding print, and per print, or run of prints,
-- with copies, off the hour, out of bounds, or at another interval than before.
with
prints as (select * from {{ ref('int_funding_prints') }}),
intervals as (select * from {{ ref('int_print_intervals') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- of several timeframes, in bars of the shortest
merged_spans as (
    select
        symbol,
        min({{ ms_of_timeframe('timeframe') }}) as timeframe_ms,
        min(end_ts) as start_ts,
        max(end_ts) as end_ts
    from merged_bars
    where not is_next_bar
    group by symbol
),

-- from the end of each print's accrual to the next print, and before the first one
uncovered as (
    select
        symbol,
        {{ add_ms('ts', 'accrual_ms') }} as ts,
        lead(ts) over (partition by symbol order by ts) as ts_end
    from prints
    union all
    select
        symbol,
        {{ epoch_start() }} as ts,
        min(ts) as ts_end
    from prints
    group by symbol
),

uncovered_in_sample as (
    select
        merged_spans.symbol,
        merged_spans.timeframe_ms,
        greatest(uncovered.ts, merged_spans.start_ts) as ts,
        least(coalesce(uncovered.ts_end, merged_spans.end_ts), merged_spans.end_ts)
            as ts_end
    from merged_spans
    inner join uncovered
        on merged_spans.symbol = uncovered.symbol
        and uncovered.ts < merged_spans.end_ts
        and coalesce(uncovered.ts_end, merged_spans.end_ts) > merged_spans.start_ts
),

uncovered_bars as (
    select
        symbol, ts, ts_end,
        cast(ceil(1.0 * {{ ms_between('ts', 'ts_end') }} / timeframe_ms) as bigint)
            as bars
    from uncovered_in_sample
    where ts < ts_end
),

missing_prints as (
    select
        symbol,
        'funding' as source,
        'missing_print' as kind,
        ts,
        ts_end,
        bars as affected,
        'warn' as severity,
        {{ counted('bars', 'bar') }}
        || ' of time that no funding print covers: it accrued 0' as detail
    from uncovered_bars
),

-- missing prints at a short interval leave no time uncovered: the one before fills it
skipped_prints as (
    select
        symbol,
        'funding' as source,
        'missing_print' as kind,
        {{ add_ms('ts', 'interval_hours * 3600000') }} as ts,
        {{ add_ms('ts', '(missing_prints_after + 1) * interval_hours * 3600000') }}
            as ts_end,
        missing_prints_after as affected,
        'warn' as severity,
        {{ counted('missing_prints_after', 'print') }} || ' of every '
        || {{ counted('interval_hours', 'hour') }}
        || ' missing: the one before accrued over its time' as detail
    from intervals
    where
        missing_prints_after > 0
        and (missing_prints_after + 1) * interval_hours * 3600000
        <= {{ longest_accrual_ms() }}
),

interval_changes as (
    select
        symbol,
        'funding' as source,
        'interval_change' as kind,
        ts,
        {{ add_ms('ts', 'interval_hours * 3600000') }} as ts_end,
        1 as affected,
        'info' as severity,
        'prints came every ' || {{ counted('previous_interval_hours', 'hour') }}
        || ' before, and every ' || {{ counted('interval_hours', 'hour') }}
        || ' from here' as detail
    from intervals
    where interval_hours <> previous_interval_hours
),

placed as (
    select
        symbol,
        ts,
        {{ add_ms('ts', 'accrual_ms') }} as end_ts,
        funding_rate,
        {{ ms_between(epoch_start(), 'ts') }} / 1000 % 3600 as seconds_after_hour,
        row_number() over (partition by symbol order by ts) as row_index
    from prints
),

late as (
    select
        *,
        {{ run_of('row_index', 'symbol') }} as run
    from placed
    where seconds_after_hour
        between {{ var('max_print_delay_s') }} + 1
        and 3599 - {{ var('max_print_delay_s') }}
),

late_prints as (
    select
        symbol,
        'funding' as source,
        'late_print' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        {{ counted('count(*)', 'print') }} || ' stamped up to '
        || {{ rounded('max(seconds_after_hour) / 60.0', 1) }}
        || ' minutes after the full hour: funding accrues from there' as detail
    from late
    group by symbol, run
),

large as (
    select
        *,
        {{ run_of('row_index', 'symbol') }} as run
    from placed
    where abs(funding_rate) > {{ var('max_funding_rate') }}
),

large_rates as (
    select
        symbol,
        'funding' as source,
        'rate_beyond_bound' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        {{ counted('count(*)', 'print') }}
        || ' beyond {{ 100 * var("max_funding_rate") }} % a print, at most '
        || {{ rounded('100 * ' ~ last_by('funding_rate', 'abs(funding_rate)'), 4) }}
        || ' %: a squeeze, or rates in percent instead of fractions' as detail
    from large
    group by symbol, run
),

conflicting_prints as (
    select
        symbol,
        'funding' as source,
        case when is_conflicting then 'conflicting_prints' else 'duplicate_prints' end
            as kind,
        ts,
        ts as ts_end,
        copies - 1 as affected,
        case when is_conflicting then 'warn' else 'info' end as severity,
        case
            when is_conflicting
                then {{ counted('copies - 1', 'row') }}
                    || ' with the time of another print but another rate: the last row of'
                    || ' the last file was kept'
            else {{ counted('copies - 1', 'exact copy', 'exact copies') }}
                || ' of a print dropped'
        end as detail
    from prints
    where copies > 1
),

incidents as (
    select * from missing_prints
    union all
    select * from skipped_prints
    union all
    select * from interval_changes
    union all
    select * from late_prints
    union all
    select * from large_rates
    union all
    select * from conflicting_prints
)

select symbol, source, kind, ts, ts_end, affected, severity, detail
from incidents
