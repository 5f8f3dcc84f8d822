{#- In a select list: a row for each whole number from 1 up to a number; none below 1. -#}
{% macro whole_numbers(up_to) -%}
    unnest(range(1, {{ up_to }} + 1))
{%- endmacro %}


{#- In a select list: a row for each first day of a month that a span touches. -#}
{% macro month_starts(start_ts, end_ts) -%}
    unnest(
        generate_series(
            date_trunc('month', {{ start_ts }}),
            {{ end_ts }} - interval '1 microsecond',
            interval '1 month'
        )
    )
{%- endmacro %}


{#- The first instant of the month after. -#}
{% macro next_month(month_start) -%}
    ({{ month_start }} + interval '1 month')
{%- endmacro %}
