{#
    Arithmetic on bar times. Times are naive UTC timestamps, durations whole
    milliseconds.
#}


{% macro timeframes_ms() -%}
    {
        "1m": 60000, "3m": 180000, "5m": 300000, "15m": 900000, "30m": 1800000,
        "1h": 3600000, "2h": 7200000, "4h": 14400000, "6h": 21600000, "8h": 28800000,
        "12h": 43200000, "1d": 86400000
    }
{%- endmacro %}


{% macro built_timeframes() -%}
    {%- set given = var('timeframe') -%}
    {%- set names = given or [] -%}
    {%- if given is string -%}
        {%- set names = given.replace(',', ' ').split() -%}
    {%- endif -%}
    {%- set known = fromjson(timeframes_ms()) -%}
    {%- set built = [] -%}
    {%- for name in (names if names is iterable else []) -%}
        {%- if name not in known -%}
            {{- exceptions.raise_compiler_error(
                'timeframe ' ~ name ~ ' is not known: use one of '
                ~ known | join(' ') ~ '.'
            ) -}}
        {%- elif name not in built -%}
            {%- do built.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not built -%}
        {{- exceptions.raise_compiler_error(
            'timeframe is ' ~ given ~ ': use one or more of ' ~ known | join(' ') ~ '.'
        ) -}}
    {%- endif -%}
    {{- tojson(built) -}}
{%- endmacro %}


{% macro timeframe_rows() -%}
    {%- for name in fromjson(built_timeframes()) %}
        {{- ' union all ' if not loop.first -}}
        select '{{ name }}' as timeframe
    {%- endfor %}
{%- endmacro %}


{% macro has_several_timeframes() -%}
    {{- tojson(fromjson(built_timeframes()) | length > 1) -}}
{%- endmacro %}


{% macro common_step_ms() -%}
    {%- set known = fromjson(timeframes_ms()) -%}
    {%- set lengths = [] -%}
    {%- for name in fromjson(built_timeframes()) -%}
        {%- do lengths.append(known[name]) -%}
    {%- endfor -%}
    {%- set step = namespace(ms=lengths | max) -%}
    {%- for length in lengths if step.ms % length -%}
        {%- set step.ms = known['1d'] -%}
    {%- endfor -%}
    {{- step.ms -}}
{%- endmacro %}


{% macro ms_of_timeframe(timeframe) -%}
    case {{ timeframe }}
        {%- for name, ms in fromjson(timeframes_ms()).items() %}
        when '{{ name }}' then {{ ms }}
        {%- endfor %}
    end
{%- endmacro %}


{% macro window_units_ms() -%}
    {"d": 86400000, "h": 3600000}
{%- endmacro %}


{#- Rows would be another time at each timeframe. -#}
{% macro window_var(name) -%}
    {%- if fromjson(has_several_timeframes())
        and name not in invocation_args_dict.vars -%}
        {{- var('windows_of_several_timeframes')[name] -}}
    {%- else -%}
        {{- var(name) -}}
    {%- endif -%}
{%- endmacro %}


{#-
    Beyond a billion it is a billion, which fits into an integer and is more than any
    series has.
-#}
{% macro window_rows(value, timeframe) -%}
    cast(least(1000000000, floor(
        case right({{ value }}, 1)
            {%- for unit, ms in fromjson(window_units_ms()).items() %}
            when '{{ unit }}'
                then
                    cast(left({{ value }}, length({{ value }}) - 1) as bigint)
                    * {{ ms }}.0 / {{ ms_of_timeframe(timeframe) }}
            {%- endfor %}
            else cast({{ value }} as bigint)
        end
    )) as integer)
{%- endmacro %}


{% macro rows_of_var(name, timeframe) -%}
    {%- set value = window_var(name) -%}
    {%- set units_ms = fromjson(window_units_ms()) -%}
    {%- if value[-1:] in units_ms -%}
        {{- (value[:-1] | int) * units_ms[value[-1:]]
            // fromjson(timeframes_ms())[timeframe] -}}
    {%- else -%}
        {{- value | int -}}
    {%- endif -%}
{%- endmacro %}


{% macro periods_per_year(timeframe) -%}
    (31536000000.0 / {{ ms_of_timeframe(timeframe) }})
{%- endmacro %}


{% macro per_8_hours(rate, timeframe) -%}
    (({{ rate }}) * 28800000.0 / {{ ms_of_timeframe(timeframe) }})
{%- endmacro %}


{% macro bar_open(ts, timeframe_ms) -%}
    time_bucket(interval '{{ timeframe_ms }} milliseconds', {{ ts }})
{%- endmacro %}


{% macro add_ms(ts, ms) -%}
    ({{ ts }} + to_milliseconds({{ ms }}))
{%- endmacro %}


{% macro ms_between(start_ts, end_ts) -%}
    (epoch_ms({{ end_ts }}) - epoch_ms({{ start_ts }}))
{%- endmacro %}


{#- Whole, since rows within a millisecond are not copies of each other. -#}
{% macro us_between(start_ts, end_ts) -%}
    (epoch_us({{ end_ts }}) - epoch_us({{ start_ts }}))
{%- endmacro %}


{% macro epoch_start() -%}
    timestamp '1970-01-01 00:00:00'
{%- endmacro %}


{% macro longest_accrual_ms() -%}
    28800000
{%- endmacro %}


{% macro is_on_grid(ts, step_ms) -%}
    (epoch_us({{ ts }}) % (cast({{ step_ms }} as bigint) * 1000) = 0)
{%- endmacro %}


{#- YAML reads a time without quotes as a time, not as text. -#}
{% macro as_of() -%}
    {%- set given = var('as_of') | string | trim -%}
    {%- if given -%}
        {%- set refusal = 'as_of is ' ~ given
            ~ ': give a time in UTC, such as 2026-02-19T15:00:00Z.' -%}
        {%- set moment = try_or_compiler_error(
            refusal, modules.datetime.datetime.fromisoformat, given
        ) -%}
        {%- if moment.utcoffset() -%}
            {{- exceptions.raise_compiler_error(refusal) -}}
        {%- endif -%}
        {{- moment.replace(microsecond=0, tzinfo=none) | string -}}
    {%- endif -%}
{%- endmacro %}
