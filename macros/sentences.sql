{% macro counted(number, what, plural=none) -%}
    cast({{ number }} as varchar)
    || case when {{ number }} = 1 then ' {{ what }}' else ' {{ plural or what ~ 's' }}' end
{%- endmacro %}


{% macro rounded(number, decimals=2) -%}
    cast(round({{ number }}, {{ decimals }}) as varchar)
{%- endmacro %}


{% macro month_of(ts) -%}
    substring(cast({{ ts }} as varchar), 1, 7)
{%- endmacro %}


{% macro minute_of(ts) -%}
    substring(cast({{ ts }} as varchar), 1, 16)
{%- endmacro %}


{% macro signed_percent(value) -%}
    case when {{ value }} >= 0 then '+' else '' end
    || {{ rounded('100 * ' ~ value) }} || ' %'
{%- endmacro %}


{% macro ratio_source(strategy, timeframe) -%}
    {{ strategy }}{{ " || ' at ' || " ~ timeframe if fromjson(has_several_timeframes()) }}
{%- endmacro %}
