{% macro first_by(value, order_by) -%}
    arg_min({{ value }}, {{ order_by }})
{%- endmacro %}


{% macro last_by(value, order_by) -%}
    arg_max({{ value }}, {{ order_by }})
{%- endmacro %}


{#- DuckDB takes more than twice as long for a running max(). -#}
{% macro highest(value) -%}
    {{ last_by(value, value) }}
{%- endmacro %}


{% macro joined_text(value) -%}
    string_agg(distinct {{ value }}, ',' order by {{ value }})
{%- endmacro %}


{% macro row_of() -%}
    row({{ varargs | join(', ') }})
{%- endmacro %}


{#- The worst 5 %; 0.05 * 140 is above 7 in binary, 140 / 20 is not. -#}
{% macro tail_bars(bars) -%}
    cast(ceil({{ bars }} / 20.0) as bigint)
{%- endmacro %}


{#- A heap of the lowest takes a quarter of the time of sorting all. -#}
{% macro mean_of_lowest(value, rows) -%}
    list_avg(min({{ value }}, {{ rows }}))
{%- endmacro %}
