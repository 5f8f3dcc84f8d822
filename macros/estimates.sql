{#-
    OLS slope with intercept of y on x; NULL, not NaN, without two rows or without
    variance.

    over: the name of a window, where the slope is taken over a frame. Rows with a NULL
    in y or x are left out, as in the SQL standard.
-#}
{% macro slope(y, x, over=none) -%}
    {%- set over_window = ' over ' ~ over if over else '' -%}
    case
        when regr_sxx({{ y }}, {{ x }}){{ over_window }} > 0
            then regr_slope({{ y }}, {{ x }}){{ over_window }}
    end
{%- endmacro %}


{#-
    Whether a frame holds all the rows that its length asks for, at least 90 % of them
    usable.

    value: a column that is NULL in unusable rows; over: the frame; length: its rows.
-#}
{% macro is_frame_usable(value, over, length) -%}
    {%- set least_usable_share = 0.9 -%}
    count(*) over {{ over }} = {{ length }}
    and count({{ value }}) over {{ over }} >= {{ least_usable_share }} * {{ length }}
{%- endmacro %}


{#- DuckDB gives NaN where other engines give NULL for an undefined statistic. -#}
{% macro null_if_nan(value) -%}
    case when not isnan({{ value }}) then {{ value }} end
{%- endmacro %}


{#-
    The rows of int_merged_bars that take a hedge ratio and make up the frames: every bar
    with a return, and the bar that has not happened yet.
-#}
{% macro takes_a_ratio(alias='merged_bars') -%}
    ({{ alias }}.r_spot is not null or {{ alias }}.is_next_bar)
{%- endmacro %}


{#-
    A frame of so many rows that ends one row before the current one. The length may be a
    column, constant within a partition, which not every engine allows.
-#}
{% macro rows_before(length) -%}
    rows between {{ length }} preceding and 1 preceding
{%- endmacro %}


{#- The latest value up to the current row that is not NULL. -#}
{% macro last_known(value, partition_by, order_by) -%}
    last_value({{ value }} ignore nulls) over (
        partition by {{ partition_by }}
        order by {{ order_by }}
        rows between unbounded preceding and current row
    )
{%- endmacro %}
