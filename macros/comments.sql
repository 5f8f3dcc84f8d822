{#-
    All comments of a relation in one query. dbt asks for its columns twice before, to
    leave out those that are not there, which takes half a second of a build:
    tests/test_docs.py sees to it that the yml and the relations have the same.
-#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- call statement() -%}
        {{ alter_relation_comment(relation, model.description) }}
        {%- for name, column in model.columns.items() %}
        comment on column {{ relation }}.{{ adapter.quote(name) }}
            is {{ duckdb_escape_comment(column.description) }};
        {%- endfor %}
    {%- endcall -%}
{%- endmacro %}
