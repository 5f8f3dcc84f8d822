{#-
    Footers are read when the model is compiled for execution, since a column's name and
    type decide the SQL.
-#}
{% macro input_layouts(var_name) -%}
    {%- set layouts = [] -%}
    {%- if execute -%}
        {%- for row in run_query(input_layouts_query(var(var_name))).rows -%}
            {%- do layouts.append(
                {'files': fromjson(row[0]), 'columns': fromjson(row[1])}
            ) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(layouts) -%}
{%- endmacro %}


{% macro perp_is_proxy() -%}
    {%- do return(not var('perp')) -%}
{%- endmacro %}


{#- Their sizes and times alone: DuckDB reads no content that nobody asks for. -#}
{% macro file_states() -%}
    select distinct
        filename as source_file,
        size as size_bytes,
        last_modified at time zone 'UTC' as modified_ts
    from read_blob([
        {%- for leg in ['spot', 'perp', 'funding'] if var(leg) %}
        {{ sql_text(var(leg)) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ])
{%- endmacro %}
