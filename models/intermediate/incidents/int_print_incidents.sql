-- One row per stretch of time without a funding print, and per print with copies.
with
prints as (select * from {{ ref('int_funding_prints') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

merged_spans as (
    select
        symbol,
        timeframe,
        {{ ms_of_timeframe('timeframe') }} as timeframe_ms,
        min(end_ts) as start_ts,
        max(end_ts) as end_ts
    from merged_bars
    where not is_next_bar
    group by symbol, timeframe
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

missing_prints as (
    select
        symbol,
        'funding' as source,
        'missing_print' as kind,
        ts,
        ts_end,
        cast(ceil(1.0 * {{ ms_between('ts', 'ts_end') }} / timeframe_ms) as bigint)
            as affected,
        'warn' as severity,
        ' bars of time that no funding print covers: it accrued 0' as detail
    from uncovered_in_sample
    where ts < ts_end
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
                then ' prints with the time of another but another rate: the last row of'
                || ' the last file was kept'
            else ' exact copies of a print were dropped'
        end as detail
    from prints
    where copies > 1
),

incidents as (
    select * from missing_prints
    union all
    select * from conflicting_prints
)

select
    symbol,
    source,
    kind,
    ts,
    ts_end,
    affected,
    severity,
    detail
from incidents
