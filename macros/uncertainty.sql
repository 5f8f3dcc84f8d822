{#- 52 bits, as many as a double holds, of the MD5. -#}
{% macro uniform_from(text) -%}
    (cast('0x' || substring(md5({{ text }}), 1, 13) as bigint) / 4503599627370496.0)
{%- endmacro %}


{% macro bootstrap_uniform(replicate, block) -%}
    {%- set seed = var('bootstrap_seed') -%}
    {{ uniform_from("'" ~ seed ~ ":' || " ~ replicate ~ " || ':' || " ~ block) }}
{%- endmacro %}


{% macro block_bars(timeframe) -%}
    cast(
        {{ var('bootstrap_block_days') }} * 86400000.0 / {{ ms_of_timeframe(timeframe) }}
        as bigint
    )
{%- endmacro %}


{#-
    With fewer, the spread between blocks is itself unknown: at 10 intervals still cover
    about as often as they say (tests/test_uncertainty.py), and 70 days are soon waited
    for.
-#}
{% macro least_blocks() -%}
    10
{%- endmacro %}


{% macro confidence() -%}
    0.95
{%- endmacro %}


{% macro normal_quantile() -%}
    1.959964
{%- endmacro %}


{#-
    Student's, by its expansion in the normal value (Abramowitz & Stegun 26.7.5), with
    the 1.5 degrees of freedom a block that overlapping blocks, or a Bartlett kernel as
    long, leave (Priestley 1981, 6.2.4); times sqrt(k / (k - 1)), since blocks are drawn
    around the sample's own mean. For one interval it agrees within 1 % with the fixed-b
    value of Kiefer & Vogelsang (2005).
-#}
{% macro critical_value(z, blocks) -%}
    {%- set degrees = '(1.5 * ' ~ blocks ~ ')' -%}
    (
        (
            {{ z }}
            + (power({{ z }}, 3) + {{ z }}) / (4 * {{ degrees }})
            + (5 * power({{ z }}, 5) + 16 * power({{ z }}, 3) + 3 * {{ z }})
            / (96 * power({{ degrees }}, 2))
        )
        * sqrt({{ blocks }} / ({{ blocks }} - 1))
    )
{%- endmacro %}


{% macro utility(mean, variance, timeframe) -%}
    (
        {{ periods_per_year(timeframe) }}
        * ({{ mean }} - {{ var('risk_aversion') }} / 2.0 * {{ variance }})
    )
{%- endmacro %}


{#-
    A lag by a number of rows streams, by a column it does not, nor does one of more than
    2,048 rows: that one needs an order of its own.
-#}
{% macro lag_of_block(value, more_rows) -%}
    case timeframe
        {%- for timeframe in fromjson(built_timeframes()) %}
        {%- set rows = block_bars_of(timeframe) | int + more_rows %}
        when '{{ timeframe }}'
            then lag({{ value }}, {{ rows }})
                over ({{ 'order by line, place' if rows > 2048 }})
        {%- endfor %}
    end
{%- endmacro %}


{% macro block_bars_of(timeframe) -%}
    {{- var('bootstrap_block_days') * 86400000
        // fromjson(timeframes_ms())[timeframe] -}}
{%- endmacro %}


{#- In the order of the replicates, so that it is the same from build to build. -#}
{% macro spread_of(value) -%}
    list_aggregate(
        list({{ value }} order by replicate) filter (where replicate > 0), 'stddev_samp'
    )
{%- endmacro %}
