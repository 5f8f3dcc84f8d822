{% macro bar_rows() -%}
    select 'spot' as leg, *
    from {{ ref('stg_spot_bars') }}
    union all
    select 'perp' as leg, *
    from {{ ref('stg_perp_bars') }}
{%- endmacro %}


{#- In the three below, a price that a file does not have is NULL and no fault. -#}
{% macro is_flat_bar() -%}
    coalesce(volume = 0 and high = low, false)
{%- endmacro %}


{% macro is_turned_over_bar() -%}
    coalesce(high < low, false)
{%- endmacro %}


{% macro is_crossed_bar() -%}
    coalesce(
        high < low
        or not (close between low and high)
        or not (open between low and high),
        false
    )
{%- endmacro %}


{#- How many bars of a run open at a time or later. -#}
{% macro bars_from(ts, run) -%}
    case
        when {{ run }}.end_ts >= {{ ts }}
            then least(
                {{ run }}.bars,
                {{ us_between(ts, run ~ '.end_ts') }}
                // greatest({{ run }}.spacing_us, 1) + 1
            )
        else 0
    end
{%- endmacro %}
