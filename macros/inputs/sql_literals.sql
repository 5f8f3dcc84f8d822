{% macro sql_text(value) -%}
    '{{ value | string | replace("'", "''") }}'
{%- endmacro %}


{% macro sql_name(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}


{% macro sql_path(path) -%}
    {{- sql_text(
        path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]')
    ) -}}
{%- endmacro %}
