-- One row per leg, symbol and time that several usable rows have: the row that is kept,
-- of the greatest (file name, row), and how many there are. Key: leg, symbol, ts.
with
-- with the files that may hold them: no other is read
copied_times as (
    select
        raw_runs.leg,
        raw_runs.symbol,
        raw_runs.end_ts as ts,
        input_files.source_file
    from {{ ref('int_raw_runs') }} as raw_runs
    inner join {{ ref('int_input_files') }} as input_files
        on raw_runs.leg = input_files.leg
        and raw_runs.symbol = input_files.symbol
        and raw_runs.end_ts between input_files.first_ts and input_files.last_ts
    where raw_runs.spacing_us = 0 and raw_runs.leg <> 'funding'
),

copies as (
    select input_rows.*
    from ({{ bar_rows() }}) as input_rows
    inner join copied_times
        on input_rows.leg = copied_times.leg
        and input_rows.symbol = copied_times.symbol
        and input_rows.ts = copied_times.ts
        and input_rows.source_file = copied_times.source_file
    where input_rows.is_usable
),

ranked as (
    select
        *,
        row_number() over (
            partition by leg, symbol, ts
            order by
                {{ file_name('source_file') }} desc,
                source_file desc,
                source_row desc
        ) as recency
    from copies
),

counted as (
    select
        leg, symbol, ts,
        count(*) as copies,
        -- as a row, since NULL is a value here: a copy may lack a volume
        count(distinct {{ row_of('open', 'high', 'low', 'close', 'volume') }}) > 1
            as is_conflicting
    from copies
    group by leg, symbol, ts
)

select
    leg,
    symbol,
    ts,
    ranked.open,
    ranked.high,
    ranked.low,
    ranked.close,
    ranked.volume,
    counted.copies,
    counted.is_conflicting
from ranked
inner join counted using (leg, symbol, ts)
where ranked.recency = 1
