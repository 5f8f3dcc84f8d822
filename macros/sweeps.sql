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
