{#-
    An ordered pass: rows are sorted once, by series and row number, and every window is
    `over (rows unbounded preceding)` or `over ()`, which DuckDB streams: a sixth of the
    time of a window with a partition. Only sorts, filters and projections may stand
    between the `order by` and the windows, since a hash join loses the order: `in_order`
    fails the build if it was lost.
-#}
{% macro in_order(series, n) -%}
    case
        when
            lag({{ series }}) over () > {{ series }}
            or (
                lag({{ series }}) over () = {{ series }}
                and lag({{ n }}) over () >= {{ n }}
            )
            then error('rows of an ordered pass came out of order')
        else {{ n }}
    end
{%- endmacro %}


{% macro is_first_of(series) -%}
    (lag({{ series }}) over () is distinct from {{ series }})
{%- endmacro %}


{% macro row_before(value, is_first) -%}
    case when not {{ is_first }} then lag({{ value }}) over () end
{%- endmacro %}


{#- Of a sum over all series up to here: what is of the row's own. -#}
{% macro since_first(sum_to_date, value, is_first) -%}
    {{ sum_to_date }} - last_value(
        case when {{ is_first }} then {{ sum_to_date }} - coalesce({{ value }}, 0) end
        ignore nulls
    ) over to_date
{%- endmacro %}


{#-
    The highest value of a series so far, but at least 0. An offset that grows with the
    series makes the maximum start anew with each. It is 2^20 in fixed numbers, so a path
    may reach half of that.
-#}
{% macro peak_to_date(value, series) -%}
    greatest(
        0,
        max({{ peak_offset(series) }} + {{ within_half_an_offset(value) }}) over to_date
        - {{ peak_offset(series) }}
    )
{%- endmacro %}


{% macro peak_offset(series) -%}
    {{ series }} * cast(1298074214633706907132624082305024 as hugeint)
{%- endmacro %}


{% macro within_half_an_offset(value) -%}
    case
        when abs({{ value }}) > 649037107316853453566312041152512
            then error('a path grew to more than 524,288 times its start')
        else {{ value }}
    end
{%- endmacro %}
