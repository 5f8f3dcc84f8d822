-- One row per leg, symbol and input file: what was read from it, and its state then.
-- Bars of two sizes in one leg show up as two bar sizes.
-- Key: leg, symbol, source_file.
with
raw_runs as (select * from {{ ref('int_raw_runs') }}),
stretches as (select * from {{ ref('int_raw_stretches') }}),

leg_spacings as (
    select
        leg,
        symbol,
        spacing_us,
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
        leg,
        symbol
    from leg_spacings
    inner join legs using (leg, symbol)
    where spacing_us <> 1000 * raw_step_ms
    group by leg, symbol
    having sum(occurrences) >= 10
),

irregular_rows as (
    select
        leg,
        symbol,
        source_file,
        first_ts + to_microseconds(
            unnest(range(stretch_rows)) * coalesce(spacing_us, 0)
        ) as ts
    from stretches
    semi join irregular_legs using (leg, symbol)
),

spaced as (
    select
        leg,
        symbol,
        source_file,
        {{ ms_between('lag(ts) over in_file', 'ts') }} as spacing_ms,
        {{ ms_between('lag(ts, 2) over in_file', 'ts') }} as spacing_of_2_ms,
        {{ ms_between('lag(ts, 5) over in_file', 'ts') }} as spacing_of_5_ms,
        {{ ms_between('lag(ts, 10) over in_file', 'ts') }} as spacing_of_10_ms
    from irregular_rows
    window in_file as (partition by leg, symbol, source_file order by ts)
),

file_sizes as (
    select
        leg,
        symbol,
        source_file,
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

counted_rows as (
    select
        leg,
        symbol,
        source_file,
        stretch_rows as usable_rows,
        0 as unusable_rows,
        0 as rows_without_time,
        case
            when coalesce(spacing_us, 0) % (1000 * raw_step_ms) <> 0
                then len(
                    list_filter(
                        range(stretch_rows),
                        lambda place:
                            (epoch_us(first_ts) + place * spacing_us)
                            % (1000 * raw_step_ms) = 0
                    )
                )
            when {{ is_on_grid('first_ts', 'raw_step_ms') }} then stretch_rows
            else 0
        end as rows_on_grid,
        least(first_ts, last_ts) as first_ts,
        greatest(first_ts, last_ts) as last_ts
    from stretches
    left join legs using (leg, symbol)
    union all
    select
        leg,
        symbol,
        source_file,
        0 as usable_rows,
        1 as unusable_rows,
        case when ts is null then 1 else 0 end as rows_without_time,
        0 as rows_on_grid,
        cast(null as timestamp) as first_ts,
        cast(null as timestamp) as last_ts
    from {{ ref('int_raw_marks') }}
    where not is_usable
),

files as (
    select
        leg,
        symbol,
        source_file,
        cast(sum(usable_rows + unusable_rows) as bigint) as input_rows,
        cast(sum(usable_rows) as bigint) as usable_rows,
        cast(sum(rows_without_time) as bigint) as rows_without_time,
        cast(sum(rows_on_grid) as bigint) as rows_on_grid,
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
    from read_blob([
        {%- for leg in ['spot', 'perp', 'funding'] if var(leg) %}
        {{ sql_text(var(leg)) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ])
)

select
    files.leg,
    files.symbol,
    files.source_file,
    files.input_rows,
    files.usable_rows,
    files.rows_without_time,
    files.rows_on_grid,
    files.first_ts,
    files.last_ts,
    file_sizes.smallest_bar_size_ms,
    file_sizes.largest_bar_size_ms,
    legs.raw_step_ms,
    file_states.size_bytes,
    file_states.modified_ts
from files
left join legs using (leg, symbol)
left join file_sizes using (leg, symbol, source_file)
left join file_states using (source_file)
