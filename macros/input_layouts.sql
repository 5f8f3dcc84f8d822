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
