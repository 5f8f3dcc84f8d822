{#-
    Replaces dbt's own var(), which renders a string as Jinja: a symbol or a path would be
    code. A value of --vars is taken as it is.
-#}
{% macro var(name, default=none) -%}
    {%- set given = invocation_args_dict.vars -%}
    {%- if name in given -%}
        {%- do return(given[name]) -%}
    {%- endif -%}
    {%- do return(builtins.var(name, default)) -%}
{%- endmacro %}
