{#- Replaces dbt's own var().

    That one renders a string as Jinja, so a symbol or a path would be code. This one returns
    a value of --vars as it was given.
-#}
{% macro var(name, default=none) -%}
    {%- set given = invocation_args_dict.vars -%}
    {%- if name in given -%}
        {%- do return(given[name]) -%}
    {%- endif -%}
    {%- do return(builtins.var(name, default)) -%}
{%- endmacro %}
