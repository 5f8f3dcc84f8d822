-- One row per raw row that says something: where a stretch of equally spaced rows starts
-- or ends, and where a row has a fault of its own. Each row between the two ends of a
-- stretch is usable and comes spacing_us after the one before it, so nothing later reads
-- the times of the files again.
-- Key: leg, symbol, source_file, source_row.
with
input_rows as (
    {%- for leg in ['spot', 'perp'] %}
    select
        '{{ leg }}' as leg,
        symbol, ts, time_unit, is_usable, source_file, source_row,
        {{ is_flat_bar() }} as is_flat,
        {{ is_crossed_bar() }} as is_crossed,
        {{ is_turned_over_bar() }} as is_turned_over
    from {{ ref('stg_' ~ leg ~ '_bars') }}
    union all
    {%- endfor %}
    select
        'funding' as leg,
        symbol, ts, time_unit, is_usable, source_file, source_row,
        false as is_flat,
        false as is_crossed,
        false as is_turned_over
    from {{ ref('stg_funding_prints') }}
),

-- The windows stream in the order of the scan, without a sort. That order is not trusted:
-- a row follows another only if their numbers in the file say so. Rows in any other order
-- give more and shorter stretches of the same times.
keyed as (
    select
        *,
        -- one number compares faster than four texts
        hash(leg, symbol, source_file, time_unit) as file_key
    from input_rows
),

linked as (
    select
        *,
        file_key = lag(file_key) over ()
        and source_row = lag(source_row) over () + 1
        and is_usable
        and lag(is_usable) over () as is_next_row,
        {{ us_between('lag(ts) over ()', 'ts') }} as spacing_us
    from keyed
),

continued as (
    select
        *,
        coalesce(
            is_next_row
            and lag(is_next_row) over ()
            and spacing_us = lag(spacing_us) over (),
            false
        ) as is_continued
    from linked
),

bounded as (
    select
        *,
        not is_continued as is_start,
        not coalesce(lead(is_continued) over (), false) as is_end
    from continued
)

select
    leg,
    symbol,
    source_file,
    source_row,
    ts,
    time_unit,
    is_usable,
    is_start,
    is_end,
    case when is_next_row then spacing_us end as spacing_us,
    is_flat and is_usable as is_flat,
    is_crossed and is_usable as is_crossed,
    is_turned_over and is_usable as is_turned_over
from bounded
where is_start or is_end or is_flat or is_crossed
