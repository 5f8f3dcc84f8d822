-- One row per row of the funding files: typed, in UTC to the second, with its place.
-- Rows are only marked here (is_usable); int_funding_prints drops and deduplicates.
with
input_rows as (
    {%- for layout in input_layouts('funding') %}
    select
        {{ print_columns(layout) }}
    from {{ parquet_files(layout.files) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select *
from input_rows
{{ symbol_filter() }}
