{#-
    What a hedge ratio has become at the end of a bar without a trade: both notionals
    move with their prices.
-#}
{% macro drifted_ratio(hedge_ratio, r_fut, r_spot) -%}
    {{ hedge_ratio }} * (1 + {{ r_fut }}) / (1 + {{ r_spot }})
{%- endmacro %}


{#-
    Log growth of a simple return. NULL, where DuckDB would give NaN or -inf, for a bar
    that loses everything: a test refuses to build on such a bar.
-#}
{% macro log_growth(simple_return) -%}
    case when {{ simple_return }} > -1 then ln(1 + {{ simple_return }}) end
{%- endmacro %}


{#- Growth of the rows of a group, each simple return on what the one before left. -#}
{% macro compounded(simple_return) -%}
    exp(sum({{ log_growth(simple_return) }})) - 1
{%- endmacro %}


{#-
    A figure about risk, or NULL where it would only measure spot against itself: without
    a perp, for a strategy that hedges.

    is_hedge: an SQL condition, where the rows are not of strategies of the panel.
-#}
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


{#-
    The figures of risk, of returns per bar, from variances and means over the same bars.
-#}
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


{#-
    The variance of a sample from its sum and its sum of squares; NULL of a single value,
    and never below 0, where rounding could bring it.
-#}
{% macro sample_variance(total, squares, rows) -%}
    greatest(
        0, {{ squares }} - {{ total }} * {{ total }} / nullif({{ rows }}, 0)
    ) / nullif({{ rows }} - 1, 0)
{%- endmacro %}


{#- The parts of a net return, in the order in which they are shown. -#}
{% macro return_parts() -%}
    {%- do return(['r_spot', 'r_hedge', 'r_funding', 'r_fees']) -%}
{%- endmacro %}


{#-
    What a trade costs, slippage included, as a fraction of the spot notional, as the
    trade is.
-#}
{% macro fee(trade) -%}
    (({{ var('fees_bps') }} + {{ var('slippage_bps') }}) / 10000.0 * abs({{ trade }}))
{%- endmacro %}


{#- The part of a trade's cost that is slippage. -#}
{% macro slippage(trade) -%}
    ({{ var('slippage_bps') }} / 10000.0 * abs({{ trade }}))
{%- endmacro %}
