{% macro whole_numbers(up_to) -%}
    unnest(range(1, {{ up_to }} + 1))
{%- endmacro %}


{% macro month_starts(start_ts, end_ts) -%}
    unnest(
        generate_series(
            date_trunc('month', {{ start_ts }}),
            {{ end_ts }} - interval '1 microsecond',
            interval '1 month'
        )
    )
{%- endmacro %}


{% macro next_month(month_start) -%}
    ({{ month_start }} + interval '1 month')
{%- endmacro %}
