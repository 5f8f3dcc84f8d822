{#- A number with what it counts, in the singular for one: 1 raw bar, 12 raw bars. -#}
{% macro counted(number, what, plural=none) -%}
    cast({{ number }} as varchar)
    || case when {{ number }} = 1 then ' {{ what }}' else ' {{ plural or what ~ 's' }}' end
{%- endmacro %}


{#- A number as text, rounded to a few decimals. -#}
{% macro rounded(number, decimals=2) -%}
    cast(round({{ number }}, {{ decimals }}) as varchar)
{%- endmacro %}


{#- The month of a time, such as 2025-01. -#}
{% macro month_of(ts) -%}
    substring(cast({{ ts }} as varchar), 1, 7)
{%- endmacro %}


{#- A time as text, to the minute. -#}
{% macro minute_of(ts) -%}
    substring(cast({{ ts }} as varchar), 1, 16)
{%- endmacro %}


{#- A fraction as a signed percentage: +0.03 %. -#}
{% macro signed_percent(value) -%}
    case when {{ value }} >= 0 then '+' else '' end
    || {{ rounded('100 * ' ~ value) }} || ' %'
{%- endmacro %}


{#-
    The source of an incident about a strategy's ratio: its name, with the timeframe where a
    build has several.
-#}
{% macro ratio_source(strategy, timeframe) -%}
    {{ strategy }}{{ " || ' at ' || " ~ timeframe if fromjson(has_several_timeframes()) }}
{%- endmacro %}
