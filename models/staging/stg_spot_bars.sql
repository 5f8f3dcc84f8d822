-- One row per row of the spot files: typed, in UTC, with the place it came from.
-- Rows are only marked here (is_usable); int_raw_bars drops and deduplicates.
with
input_rows as (
    {%- for layout in input_layouts('spot') %}
    select
        {{ bar_columns(layout) }}
    from {{ parquet_files(layout.files) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select *
from input_rows
{{ symbol_filter() }}
