-- One row per raw row that says something: where a stretch of equally spaced rows starts
-- or ends, and where a row has a fault of its own. Each row between the two ends of a
-- stretch is usable and comes spacing_us after the one before it, so nothing later reads
-- the times of the files again.
-- Key: leg, symbol, source_file, source_row.
{% set legs = {
    'spot': ref('stg_spot_bars'), 'perp': ref('stg_perp_bars'),
    'funding': ref('stg_funding_prints'),
} %}

-- The windows stream in the order of the scan, without a sort, and only leg by leg, since
-- behind a union they would not. That order is not trusted: a row follows another only if
-- their numbers in the file say so. Rows in any other order give more and shorter
-- stretches of the same times.
with
{%- for leg, relation in legs.items() %}
{{ leg }}_rows as (
    select
        '{{ leg }}' as leg,
        symbol, ts, time_unit, is_usable, source_file, source_row,
        {%- for flag, expression in {
            'is_flat': is_flat_bar(), 'is_crossed': is_crossed_bar(),
            'is_turned_over': is_turned_over_bar(),
        }.items() %}
        {{ 'false' if leg == 'funding' else expression }} as {{ flag }},
        {%- endfor %}
        -- one number compares faster than three texts
        hash(symbol, source_file, time_unit) as file_key
    from {{ relation }}
),

{{ leg }}_linked as (
    select
        *,
        file_key = lag(file_key) over ()
        and source_row = lag(source_row) over () + 1
        and is_usable
        and lag(is_usable) over () as is_next_row,
        {{ us_between('lag(ts) over ()', 'ts') }} as spacing_us
    from {{ leg }}_rows
),

{{ leg }}_continued as (
    select
        *,
        coalesce(
            is_next_row
            and lag(is_next_row) over ()
            and spacing_us = lag(spacing_us) over (),
            false
        ) as is_continued
    from {{ leg }}_linked
),

{{ leg }}_bounded as (
    select
        *,
        not is_continued as is_start,
        not coalesce(lead(is_continued) over (), false) as is_end
    from {{ leg }}_continued
),
{%- endfor %}

bounded as (
    {%- for leg in legs %}
    select * from {{ leg }}_bounded
    where is_start or is_end or is_flat or is_crossed
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
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
