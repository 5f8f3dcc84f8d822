{% macro estimators() -%}
    [
        "none", "naive", "static", "rolling", "expanding", "ewma", "error_correction"
    ]
{%- endmacro %}


{% macro strategy_columns() -%}
    {
        "strategy": "varchar", "estimator": "varchar", "is_vol_scaled": "boolean",
        "beta_window": "varchar", "vol_window": "varchar", "vol_target": "double",
        "rebalance_band": "double", "rebalance_every": "integer", "min_trade": "double",
        "halflife": "integer", "is_vol_budget": "boolean"
    }
{%- endmacro %}


{% macro sweep_file_texts(path) -%}
    read_csv(
        {{ sql_text(path) }},
        delim = ',', quote = '"', escape = '"',
        header = true, all_varchar = true, strict_mode = true
    )
{%- endmacro %}


{% macro sweep_file_rows(path) -%}
    with
    every_column as (
        select
            {%- for name in fromjson(strategy_columns()) %}
            null::varchar as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        where false
        union all by name
        select * from {{ sweep_file_texts(path) }}
    )

    select
        {%- for name, type in fromjson(strategy_columns()).items() %}
        {%- set text = "nullif(trim(" ~ name ~ "), '')" %}
        {%- if name == 'estimator' %}
        coalesce({{ text }}, 'rolling') as estimator
        {%- else %}
        cast({{ text }} as {{ type }}) as {{ name }}
        {%- endif %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from every_column
{%- endmacro %}
