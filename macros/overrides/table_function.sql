{#- Replaces the adapter's own materialization of table functions.

    That one comments on the function as if it were a view, which fails, and commits a second
    time. This one creates the function and its comment in one statement. The name has no
    database, so the function also works in a copy of the file under another name.
-#}
{% materialization table_function, adapter='duckdb', supported_languages=['sql'] %}
    {%- set target = this.include(database=false) -%}
    {%- call statement('main') -%}
        create or replace macro {{ target }}({{ config.get('parameters', []) | join(', ') }})
        as table ({{ compiled_code }});
        comment on macro table {{ target }}
            is {{ duckdb_escape_comment(model.description) }};
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': []}) }}
{% endmaterialization %}
