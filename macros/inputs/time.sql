{#
    Arithmetic on bar times. Times are naive UTC timestamps, durations whole
    milliseconds.
#}


{#- Every timeframe the project knows, in milliseconds, as JSON. -#}
{% macro timeframes_ms() -%}
    {
        "1m": 60000, "3m": 180000, "5m": 300000, "15m": 900000, "30m": 1800000,
        "1h": 3600000, "2h": 7200000, "4h": 14400000, "6h": 21600000, "8h": 28800000,
        "12h": 43200000, "1d": 86400000
    }
{%- endmacro %}


{#- The length of the var `timeframe` in milliseconds. -#}
{% macro timeframe_ms() -%}
    {%- set known = fromjson(timeframes_ms()) -%}
    {%- if var('timeframe') not in known -%}
        {{- exceptions.raise_compiler_error(
            'timeframe ' ~ var('timeframe') ~ ' is not known: use one of '
            ~ known | join(' ') ~ '.'
        ) -}}
    {%- endif -%}
    {{- known[var('timeframe')] -}}
{%- endmacro %}


{#- The length of a row's timeframe in milliseconds, from its name. -#}
{% macro ms_of_timeframe(timeframe) -%}
    case {{ timeframe }}
        {%- for name, ms in fromjson(timeframes_ms()).items() %}
        when '{{ name }}' then {{ ms }}
        {%- endfor %}
    end
{%- endmacro %}


{#- The units of a window that is a duration, in milliseconds, as JSON. -#}
{% macro window_units_ms() -%}
    {"d": 86400000, "h": 3600000}
{%- endmacro %}


{#-
    A window as rows: a number of rows (720) as it is, a duration (30d, 12h) as the whole
    bars of the var `timeframe` that it holds. value: an SQL text.
-#}
{% macro window_rows(value) -%}
    cast(floor(
        case right({{ value }}, 1)
            {%- for unit, ms in fromjson(window_units_ms()).items() %}
            when '{{ unit }}'
                then
                    cast(left({{ value }}, length({{ value }}) - 1) as bigint)
                    * {{ ms }}.0 / {{ timeframe_ms() }}
            {%- endfor %}
            else cast({{ value }} as bigint)
        end
    ) as integer)
{%- endmacro %}


{#- The same of a var, known when the SQL is written. -#}
{% macro rows_of_var(name) -%}
    {%- set value = var(name) | string -%}
    {%- set units_ms = fromjson(window_units_ms()) -%}
    {%- if value[-1:] in units_ms -%}
        {{- (value[:-1] | int) * units_ms[value[-1:]] // (timeframe_ms() | int) -}}
    {%- else -%}
        {{- value | int -}}
    {%- endif -%}
{%- endmacro %}


{#- Bars of a row's timeframe in a year of 365 days: crypto never closes. -#}
{% macro periods_per_year(timeframe) -%}
    (31536000000.0 / {{ ms_of_timeframe(timeframe) }})
{%- endmacro %}


{#- A rate per bar as a rate per 8 hours, as most exchanges quote funding. -#}
{% macro per_8_hours(rate, timeframe) -%}
    (({{ rate }}) * 28800000.0 / {{ ms_of_timeframe(timeframe) }})
{%- endmacro %}


{#- The open of the bar that a time falls into, counted from 00:00 UTC. -#}
{% macro bar_open(ts, timeframe_ms) -%}
    time_bucket(interval '{{ timeframe_ms }} milliseconds', {{ ts }})
{%- endmacro %}


{% macro add_ms(ts, ms) -%}
    ({{ ts }} + to_milliseconds({{ ms }}))
{%- endmacro %}


{% macro ms_between(start_ts, end_ts) -%}
    (epoch_ms({{ end_ts }}) - epoch_ms({{ start_ts }}))
{%- endmacro %}


{#- A time to stand for one that is not known, where a key needs one. -#}
{% macro epoch_start() -%}
    timestamp '1970-01-01 00:00:00'
{%- endmacro %}


{#-
    A print accrues until the next one, for 8 hours at most: the longest funding
    interval.
-#}
{% macro longest_accrual_ms() -%}
    28800000
{%- endmacro %}


{#- Whether a time is a whole number of steps after 00:00 UTC. -#}
{% macro is_on_grid(ts, step_ms) -%}
    (epoch_us({{ ts }}) % ({{ step_ms }} * 1000) = 0)
{%- endmacro %}
