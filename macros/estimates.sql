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
    Whether a frame holds the rows that its length asks for, at least 90 % of them usable.

    value: a column that is NULL in unusable rows; over: the frame; length: its rows.
-#}
{% macro is_frame_usable(value, over, length) -%}
    count(*) over {{ over }} >= {{ length }}
    and count({{ value }}) over {{ over }}
    >= {{ least_usable_share() }} * count(*) over {{ over }}
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


{#- The same with the current row as its last one. -#}
{% macro last_rows(length) -%}
    rows between {{ length }} - 1 preceding and current row
{%- endmacro %}


{#-
    How many earlier rows have a smaller value than the current one, within the window's
    frame, which must end at the current row. The value must not be NULL in any of them.

    Not every engine ranks within a frame. Comparing with quantiles of the frame instead
    is a hundred times slower in DuckDB.
-#}
{% macro smaller_before(value, over) -%}
    rank(order by {{ value }}) over {{ over }} - 1
{%- endmacro %}


{#- The latest value up to the current row that is not NULL. -#}
{% macro last_known(value, partition_by, order_by) -%}
    last_value({{ value }} ignore nulls) over (
        partition by {{ partition_by }}
        order by {{ order_by }}
        rows between unbounded preceding and current row
    )
{%- endmacro %}


{#- The share of a frame's rows that must be usable. -#}
{% macro least_usable_share() -%}
    0.9
{%- endmacro %}


{#- More rows than any series has: a frame that begins with the first. -#}
{% macro every_row() -%}
    1000000000
{%- endmacro %}


{#- Half-lives after which a row weighs nothing: 2 ^ -20 is a millionth. -#}
{% macro ewma_cut_halflives() -%}
    20
{%- endmacro %}


{#- The sums of a weighted regression of y on x, by name. -#}
{% macro ewma_sums() -%}
    {%- do return({
        'sum_w': 'w',
        'sum_wx': 'w * x_or_0',
        'sum_wy': 'w * y_or_0',
        'sum_wxx': 'w * x_or_0 * x_or_0',
        'sum_wxy': 'w * x_or_0 * y_or_0',
    }) -%}
{%- endmacro %}
