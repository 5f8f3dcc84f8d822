{#-
    As dbt-duckdb writes them, but without asking for the columns of every relation first,
    which took half a second of a build: tests/test_docs.py sees to it that those of the
    yml are those that there are.
-#}
{% macro duckdb__alter_column_comment(relation, column_dict) -%}
    {%- for name, column in column_dict.items() %}
    comment on column {{ relation }}.{{ adapter.quote(name) }}
        is {{ duckdb_escape_comment(column.description) }};
    {%- endfor %}
{%- endmacro %}
