-- One row per leg, symbol and input file: what was read from it, and its state then.
-- Bars of two sizes in one leg show up as two bar sizes.
-- Key: leg, symbol, source_file.
{% set globs = [] -%}
{% for leg in ['spot', 'perp', 'funding'] if var(leg) -%}
{% do globs.append(sql_text(var(leg))) -%}
{% endfor -%}
with
raw_runs as (select * from {{ ref('int_raw_runs') }}),
stretches as (select * from {{ ref('int_raw_stretches') }}),

leg_spacings as (
    select
        leg, symbol, spacing_us,
        sum(run_rows) as occurrences
    from raw_runs
    where spacing_us is not null
    group by leg, symbol, spacing_us
),

-- the commonest spacing, of equally common ones the shortest
legs as (
    select
        leg,
        symbol,
        cast(
            floor(
                {{ last_by('spacing_us', row_of('occurrences', '-spacing_us')) }} / 1000
            ) as bigint
        ) as raw_step_ms
    from leg_spacings
    where spacing_us >= 1000
    group by leg, symbol
),

-- A file has a bar size where ten of its rows follow each other at that spacing. Another
-- size than the step would leave at least ten rows that are not a step apart.
irregular_legs as (
    select
        leg_spacings.leg,
        leg_spacings.symbol
    from leg_spacings
    inner join legs using (leg, symbol)
    where leg_spacings.spacing_us <> 1000 * legs.raw_step_ms
    group by leg_spacings.leg, leg_spacings.symbol
    having sum(leg_spacings.occurrences) >= 10
),

irregular_rows as (
    select
        stretches.leg, stretches.symbol, stretches.source_file,
        stretches.first_ts + to_microseconds(
            unnest(range(stretches.stretch_rows)) * coalesce(stretches.spacing_us, 0)
        ) as ts
    from stretches
    semi join irregular_legs using (leg, symbol)
),

spaced as (
    select
        leg, symbol, source_file,
        {{ ms_between('lag(ts) over in_file', 'ts') }} as spacing_ms,
        {{ ms_between('lag(ts, 2) over in_file', 'ts') }} as spacing_of_2_ms,
        {{ ms_between('lag(ts, 5) over in_file', 'ts') }} as spacing_of_5_ms,
        {{ ms_between('lag(ts, 10) over in_file', 'ts') }} as spacing_of_10_ms
    from irregular_rows
    window in_file as (partition by leg, symbol, source_file order by ts)
),

file_sizes as (
    select
        leg, symbol, source_file,
        min(spacing_ms) as smallest_bar_size_ms,
        max(spacing_ms) as largest_bar_size_ms
    from spaced
    where
        spacing_ms > 0
        and spacing_of_2_ms = 2 * spacing_ms
        and spacing_of_5_ms = 5 * spacing_ms
        and spacing_of_10_ms = 10 * spacing_ms
    group by leg, symbol, source_file
),

stepped as (
    select
        stretches.*,
        legs.raw_step_ms,
        coalesce(stretches.spacing_us, 0) % (1000 * legs.raw_step_ms) = 0 as is_stepped
    from stretches
    inner join legs using (leg, symbol)
),

-- a stretch of another spacing may cross the grid: row by row
steps as (
    select
        leg, symbol, source_file,
        first_ts as ts,
        stretch_rows as usable_rows,
        raw_step_ms
    from stepped
    where is_stepped
    union all
    select
        leg, symbol, source_file,
        first_ts + to_microseconds(unnest(range(stretch_rows)) * spacing_us) as ts,
        1 as usable_rows,
        raw_step_ms
    from stepped
    where not is_stepped
),

on_grid as (
    select
        leg, symbol, source_file,
        sum(usable_rows) as rows_on_grid
    from steps
    where {{ is_on_grid('ts', 'raw_step_ms') }}
    group by leg, symbol, source_file
),

counted_rows as (
    select
        leg, symbol, source_file,
        stretch_rows as input_rows,
        stretch_rows as usable_rows,
        0 as rows_without_time,
        least(first_ts, last_ts) as first_ts,
        greatest(first_ts, last_ts) as last_ts
    from stretches
    union all
    select
        leg, symbol, source_file,
        1 as input_rows,
        0 as usable_rows,
        case when ts is null then 1 else 0 end as rows_without_time,
        cast(null as timestamp) as first_ts,
        cast(null as timestamp) as last_ts
    from {{ ref('int_raw_marks') }}
    where not is_usable
),

files as (
    select
        leg, symbol, source_file,
        cast(sum(input_rows) as bigint) as input_rows,
        cast(sum(usable_rows) as bigint) as usable_rows,
        cast(sum(rows_without_time) as bigint) as rows_without_time,
        min(first_ts) as first_ts,
        max(last_ts) as last_ts
    from counted_rows
    group by leg, symbol, source_file
),

-- their sizes and times alone: DuckDB reads no content that nobody asks for
file_states as (
    select distinct
        filename as source_file,
        size as size_bytes,
        last_modified at time zone 'UTC' as modified_ts
    from read_blob([{{ globs | join(', ') }}])
)

select
    files.leg,
    files.symbol,
    files.source_file,
    files.input_rows,
    files.usable_rows,
    files.rows_without_time,
    cast(coalesce(on_grid.rows_on_grid, 0) as bigint) as rows_on_grid,
    files.first_ts,
    files.last_ts,
    file_sizes.smallest_bar_size_ms,
    file_sizes.largest_bar_size_ms,
    legs.raw_step_ms,
    file_states.size_bytes,
    file_states.modified_ts
from files
left join legs using (leg, symbol)
left join on_grid using (leg, symbol, source_file)
left join file_sizes using (leg, symbol, source_file)
left join file_states using (source_file)
