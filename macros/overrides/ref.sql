{#- Replaces dbt's own ref().

    That one names the database, which is the name of its file: views and questions would not
    work in a copy of the file under another name. This one leaves it out.
-#}
{% macro ref() -%}
    {%- do return(builtins.ref(*varargs, **kwargs).include(database=false)) -%}
{%- endmacro %}
