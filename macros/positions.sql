{#- Every 0 bars: the entry alone. -#}
{% macro is_due(bar_index, every) -%}
    (
        {{ bar_index }} = 0
        or ({{ every }} > 0 and ({{ bar_index }}) % nullif({{ every }}, 0) = 0)
    )
{%- endmacro %}


{#- Why a bar's order is none. -#}
{% macro hold_reason(trade, hedge_ratio, target, is_due, band) -%}
    case
        when {{ trade }} <> 0 then null
        when {{ target }} = {{ hedge_ratio }} then 'at target'
        when not {{ is_due }} then 'not due'
        when abs({{ target }} - {{ hedge_ratio }}) <= {{ band }} then 'within band'
        else 'below min_trade'
    end
{%- endmacro %}


{#- The next bar has brought nothing yet. -#}
{% macro of_known_bar(value) -%}
    case when r_net is not null then {{ value }} end
{%- endmacro %}


{% macro stretch_of(bar_index, bars) -%}
    cast(floor({{ bar_index }} / {{ bars }}) as integer)
{%- endmacro %}


{% macro coins_after_order(
    coins, target, price_ratio, is_entry, is_due, band, min_trade
) -%}
    case
        when
            {{ is_entry }}
            or (
                {{ is_due }}
                and abs({{ target }} - {{ coins }} * {{ price_ratio }}) > {{ band }}
                and abs({{ target }} - {{ coins }} * {{ price_ratio }}) >= {{ min_trade }}
            )
            then {{ target }} / {{ price_ratio }}
        else {{ coins }}
    end
{%- endmacro %}


{% macro coins_after_order_of(bar, coins) -%}
    {{ coins_after_order(
        coins, bar ~ '.target', bar ~ '.price_ratio', bar ~ '.is_entry', bar ~ '.is_due',
        'band', 'min_trade'
    ) }}
{%- endmacro %}
