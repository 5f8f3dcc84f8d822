{#- Replaces the adapter's own duckdb__load_csv_rows.

    That one fails if the project's path contains a quote, and reads brackets in it as a
    pattern.
-#}
{% macro duckdb__load_csv_rows(model, agate_table) -%}
    {%- set sql -%}
        copy {{ this.render() }}
        from {{ sql_path(adapter.get_seed_file_path(model)) }}
        (format csv, header true)
    {%- endset -%}
    {%- do adapter.add_query(sql, abridge_sql_log=true) -%}
    {%- do return(sql) -%}
{%- endmacro %}
