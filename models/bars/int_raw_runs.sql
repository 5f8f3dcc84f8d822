-- One row per leg, symbol and run of usable rows that are equally far apart in time, the
-- leg's files taken together and sorted by time. Each row belongs to one run, by its
-- distance from the row before it: a leg's first row is a run without a spacing, and
-- copies are runs of spacing 0. Key: leg, symbol, end_ts, spacing_us.
with
stretches as (select * from {{ ref('int_raw_stretches') }}),

placed as (
    select
        *,
        max(last_ts) over (
            partition by leg, symbol
            order by first_ts
            rows between unbounded preceding and 1 preceding
        ) as earlier_end_ts
    from stretches
),

-- copies, files that overlap, rows out of time order
unsorted_legs as (
    select distinct
        leg,
        symbol
    from placed
    where
        first_ts <= earlier_end_ts
        or (stretch_rows > 1 and spacing_us <= 0)
),

-- only these legs are sorted row by row
sorted_rows as (
    select
        stretches.leg,
        stretches.symbol,
        stretches.first_ts + to_microseconds(
            unnest(range(stretches.stretch_rows)) * coalesce(stretches.spacing_us, 0)
        ) as ts
    from stretches
    semi join unsorted_legs using (leg, symbol)
),

pieces as (
    select
        stretches.leg, stretches.symbol, stretches.first_ts, stretches.last_ts,
        stretches.spacing_us, stretches.stretch_rows
    from stretches
    anti join unsorted_legs using (leg, symbol)
    union all
    select
        leg,
        symbol,
        ts as first_ts,
        ts as last_ts,
        null as spacing_us,
        1 as stretch_rows
    from sorted_rows
),

-- a piece's first row comes after the piece before it, the others after each other
spaced as (
    select
        leg,
        symbol,
        first_ts as end_ts,
        {{ us_between('lag(last_ts) over by_time', 'first_ts') }} as spacing_us,
        1 as spaced_rows
    from pieces
    window by_time as (partition by leg, symbol order by first_ts)
    union all
    select
        leg,
        symbol,
        last_ts as end_ts,
        spacing_us,
        stretch_rows - 1 as spaced_rows
    from pieces
    where stretch_rows > 1
),

summed as (
    select
        *,
        lead(spacing_us) over by_time as next_spacing_us,
        sum(spaced_rows) over by_time as rows_so_far
    from spaced
    window by_time as (
        partition by leg, symbol
        -- of equal times the copies come last
        order by end_ts, spacing_us is not distinct from 0
        rows unbounded preceding
    )
)

select
    leg,
    symbol,
    end_ts,
    spacing_us,
    cast(
        rows_so_far - lag(rows_so_far, 1, 0) over (
            partition by leg, symbol order by rows_so_far
        ) as bigint
    ) as run_rows
from summed
where spacing_us is null or spacing_us is distinct from next_spacing_us
