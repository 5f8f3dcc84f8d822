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
