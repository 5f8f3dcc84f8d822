{#-
    The layouts (see inputs/read_files.sql) of the files that a var names. Footers are
    read when the model is compiled for execution, since a column's name and type decide
    the SQL.
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


{#- No perp given: spot stands in for it, and every result says so. -#}
{% macro perp_is_proxy() -%}
    {%- do return(not var('perp')) -%}
{%- endmacro %}
