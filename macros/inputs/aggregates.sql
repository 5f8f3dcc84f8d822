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


{#- Sorting a list a group takes a quarter of the time of numbering all rows by value. -#}
{% macro expected_shortfall_95(value) -%}
    {#- 0.05 * 140 is above 7 in binary, 140 / 20 is not -#}
    list_avg(list_sort(list({{ value }}))[1:cast(ceil(count(*) / 20.0) as bigint)])
{%- endmacro %}
