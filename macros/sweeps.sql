{% macro target_from(estimate, strategy) -%}
    {{ estimate }}['beta'] * {{ vol_scale(
        estimate ~ "['realized_vol']", strategy ~ '.vol_target',
        strategy ~ '.uses_volatility', strategy ~ '.is_vol_budget'
    ) }}
{%- endmacro %}


{% macro yearly_differences(deviations, others, timeframe) -%}
    list_transform(
        list_zip({{ deviations }}, {{ others }}),
        lambda pair: {{ periods_per_year(timeframe) }} * (pair[1] - pair[2])
    )
{%- endmacro %}
