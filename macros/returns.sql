{% macro drifted_ratio(hedge_ratio, r_fut, r_spot) -%}
    {{ hedge_ratio }} * (1 + {{ r_fut }}) / (1 + {{ r_spot }})
{%- endmacro %}


{#- DuckDB would give NaN or -inf there. A test refuses to build on such a bar. -#}
{% macro log_growth(simple_return) -%}
    case when {{ simple_return }} > -1 then ln(1 + {{ simple_return }}) end
{%- endmacro %}


{% macro compounded(simple_return) -%}
    exp({{ exact_sum(log_growth(simple_return)) }}) - 1
{%- endmacro %}


{% macro null_if_proxy(value, is_hedge=none) -%}
    {%- if perp_is_proxy() and is_hedge -%}
        case when not ({{ is_hedge }}) then {{ value }} end
    {%- elif perp_is_proxy() -%}
        case
            when strategy in (
                select strategy from {{ ref('int_strategies') }} where estimator = 'none'
            ) then {{ value }}
        end
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}


{% macro variance_reduction(hedged, unhedged, is_hedge=none) -%}
    {{ null_if_proxy('1 - ' ~ hedged ~ ' / nullif(' ~ unhedged ~ ', 0)', is_hedge) }}
{%- endmacro %}


{% macro sharpe(mean, variance, timeframe, is_hedge=none) -%}
    {{ null_if_proxy(
        mean ~ ' / nullif(sqrt(' ~ variance ~ '), 0) * sqrt('
        ~ periods_per_year(timeframe) ~ ')',
        is_hedge
    ) }}
{%- endmacro %}


{% macro annualised_volatility(variance, timeframe, is_hedge=none) -%}
    {{ null_if_proxy(
        'sqrt(' ~ variance ~ ' * ' ~ periods_per_year(timeframe) ~ ')', is_hedge
    ) }}
{%- endmacro %}


{% macro return_parts() -%}
    {%- do return(['r_spot', 'r_hedge', 'r_funding', 'r_fees']) -%}
{%- endmacro %}


{% macro fee(trade) -%}
    (({{ var('fees_bps') }} + {{ var('slippage_bps') }}) / 10000.0 * abs({{ trade }}))
{%- endmacro %}


{% macro slippage(trade) -%}
    ({{ var('slippage_bps') }} / 10000.0 * abs({{ trade }}))
{%- endmacro %}
