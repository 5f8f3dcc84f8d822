{#- A text as an SQL literal, whatever quotes it holds. -#}
{% macro sql_text(value) -%}
    '{{ value | string | replace("'", "''") }}'
{%- endmacro %}


{#- A column's name as an SQL identifier. -#}
{% macro sql_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}
