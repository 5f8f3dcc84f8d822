-- One row per row of the perpetual's files: typed, in UTC, with the place it came from.
-- Empty without a perp. Rows are only marked here (is_usable).
{% if perp_is_proxy() -%}
select
    cast(null as varchar) as symbol,
    cast(null as timestamp) as ts,
    cast(null as varchar) as time_unit,
    cast(null as double) as open,
    cast(null as double) as high,
    cast(null as double) as low,
    cast(null as double) as close,
    cast(null as double) as volume,
    cast(null as boolean) as is_usable,
    cast(null as varchar) as source_file,
    cast(null as bigint) as source_row
where false
{%- else -%}
with
input_rows as (
    {%- for layout in input_layouts('perp') %}
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
{%- endif %}
