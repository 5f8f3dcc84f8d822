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
