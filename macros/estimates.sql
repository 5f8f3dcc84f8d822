{% macro slope(y, x, over=none) -%}
    {%- set over_window = ' over ' ~ over if over else '' -%}
    case
        when regr_sxx({{ y }}, {{ x }}){{ over_window }} > 0
            then regr_slope({{ y }}, {{ x }}){{ over_window }}
    end
{%- endmacro %}


{% macro is_frame_usable(value, over, length) -%}
    count(*) over {{ over }} >= {{ length }}
    and count({{ value }}) over {{ over }}
    >= {{ least_usable_share() }} * count(*) over {{ over }}
{%- endmacro %}


{#- DuckDB gives NaN where other engines give NULL for an undefined statistic. -#}
{% macro null_if_nan(value) -%}
    case when not isnan({{ value }}) then {{ value }} end
{%- endmacro %}


{% macro is_estimated_per_bar() -%}
    (estimator not in ('none', 'naive', 'static'))
{%- endmacro %}


{% macro target_beta(estimator, static_beta, rolling_beta) -%}
    case {{ estimator }}
        when 'none' then 0.0
        when 'naive' then 1.0
        when 'static' then {{ static_beta }}
        else {{ rolling_beta }}
    end
{%- endmacro %}


{#- least(1, NULL) would be 1: an undefined volatility must not become a full hedge. -#}
{% macro vol_scale(realized_vol, vol_target, uses_volatility, is_vol_budget) -%}
    case
        when not {{ uses_volatility }} then 1.0
        when {{ realized_vol }} > {{ vol_target }} and {{ is_vol_budget }}
            then 1 - {{ vol_target }} / {{ realized_vol }}
        when {{ realized_vol }} > {{ vol_target }} then {{ vol_target }} / {{ realized_vol }}
        when {{ realized_vol }} is not null and {{ is_vol_budget }} then 0.0
        when {{ realized_vol }} is not null then 1.0
    end
{%- endmacro %}


{% macro takes_a_ratio(alias='merged_bars') -%}
    ({{ alias }}.r_spot is not null or {{ alias }}.is_next_bar)
{%- endmacro %}


{#-
    A length that is a column, constant within a partition, is more than every engine
    allows.
-#}
{% macro rows_before(length) -%}
    rows between {{ length }} preceding and 1 preceding
{%- endmacro %}


{% macro last_rows(length) -%}
    rows between {{ length }} - 1 preceding and current row
{%- endmacro %}


{#-
    Not every engine ranks within a frame. Comparing with quantiles of the frame instead
    is a hundred times slower in DuckDB.
-#}
{% macro smaller_before(value, over) -%}
    rank(order by {{ value }}) over {{ over }} - 1
{%- endmacro %}


{% macro last_known(value, partition_by, order_by) -%}
    last_value({{ value }} ignore nulls) over (
        partition by {{ partition_by }}
        order by {{ order_by }}
        rows between unbounded preceding and current row
    )
{%- endmacro %}


{% macro least_usable_share() -%}
    0.9
{%- endmacro %}


{% macro every_row() -%}
    1000000000
{%- endmacro %}


{% macro ewma_cut_halflives() -%}
    20
{%- endmacro %}


{% macro ewma_sums() -%}
    {%- do return({
        'sum_w': 'w',
        'sum_wx': 'w * x_or_0',
        'sum_wy': 'w * y_or_0',
        'sum_wxx': 'w * x_or_0 * x_or_0',
        'sum_wxy': 'w * x_or_0 * y_or_0',
    }) -%}
{%- endmacro %}
