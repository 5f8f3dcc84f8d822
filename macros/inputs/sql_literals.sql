{% macro sql_text(value) -%}
    '{{ value | string | replace("'", "''") }}'
{%- endmacro %}


{% macro sql_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}
