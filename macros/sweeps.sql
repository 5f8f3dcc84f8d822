{% macro target_from(estimate, strategy) -%}
    {{ estimate }}['beta'] * {{ vol_scale(estimate ~ "['realized_vol']", strategy) }}
{%- endmacro %}


{#- least(1, NULL) would be 1: an undefined volatility must not become a full hedge. -#}
{% macro vol_scale(realized_vol, strategy) -%}
    case
        when not {{ strategy }}.uses_volatility then 1.0
        when {{ realized_vol }} > {{ strategy }}.vol_target and {{ strategy }}.is_vol_budget
            then 1 - {{ strategy }}.vol_target / {{ realized_vol }}
        when {{ realized_vol }} > {{ strategy }}.vol_target
            then {{ strategy }}.vol_target / {{ realized_vol }}
        when {{ realized_vol }} is not null and {{ strategy }}.is_vol_budget then 0.0
        when {{ realized_vol }} is not null then 1.0
    end
{%- endmacro %}


{% macro yearly_differences(deviations, others, timeframe) -%}
    list_transform(
        list_zip({{ deviations }}, {{ others }}),
        lambda pair: {{ periods_per_year(timeframe) }} * (pair[1] - pair[2])
    )
{%- endmacro %}
