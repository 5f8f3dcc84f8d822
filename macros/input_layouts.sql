{#-
    Footers are read when the model is compiled for execution, since a column's name and
    type decide the SQL.
-#}
{% macro input_layouts(var_name) -%}
    {%- set schemas = [] -%}
    {%- if execute -%}
        {%- for row in run_query(file_schemas_query(var(var_name))).rows -%}
            {%- do schemas.append(fromjson(row[0])) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(fromjson(layouts_of(schemas))) -%}
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
