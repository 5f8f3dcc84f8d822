-- One row per stretch of a file's usable rows that are equally far apart in time. Each
-- usable row is in one stretch.
-- Key: leg, symbol, source_file, first_row.
with
ends as (
    select
        *,
        lead(source_row) over (
            partition by leg, symbol, source_file order by source_row
        ) as next_end_row
    from {{ ref('int_raw_marks') }}
    where is_usable and (is_start or is_end)
),

starts as (
    select
        *,
        case when is_end then 1 else next_end_row - source_row + 1 end as stretch_rows
    from ends
    where is_start
)

select
    leg,
    symbol,
    source_file,
    source_row as first_row,
    time_unit,
    ts as first_ts,
    ts + to_microseconds((stretch_rows - 1) * coalesce(spacing_us, 0)) as last_ts,
    spacing_us,
    stretch_rows
from starts
