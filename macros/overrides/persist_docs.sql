{#- Replaces the adapter's own duckdb__persist_docs.

    That one first queries a relation's columns twice, to skip those that do not exist, which
    takes half a second of a build. This one writes all comments of a relation in one query;
    tests/test_docs.py checks that yml and relation have the same columns.
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
