{% macro strategies_from(rows) -%}
    with
    strategies as (select * from {{ rows }}),
    timeframes as ({{ timeframe_rows() }})

    select
        timeframe,
        strategy,
        estimator,
        coalesce(is_vol_scaled, false) as is_vol_scaled,
        coalesce(is_vol_budget, false) as is_vol_budget,
        coalesce(is_vol_scaled, false) or coalesce(is_vol_budget, false)
            as uses_volatility,
        {{ window_rows(
            "coalesce(beta_window, '" ~ window_var('beta_window') ~ "')", 'timeframe'
        ) }}
            as beta_window,
        case
            when estimator = 'ewma' then coalesce(halflife, {{ var('halflife') }})
            else 0
        end as halflife,
        {{ window_rows(
            "coalesce(vol_window, '" ~ window_var('vol_window') ~ "')", 'timeframe'
        ) }}
            as vol_window,
        coalesce(vol_target, {{ var('vol_target') }}) as vol_target,
        coalesce(rebalance_band, 0) as rebalance_band,
        coalesce(rebalance_every, 1) as rebalance_every,
        coalesce(min_trade, 0) as min_trade,
        coalesce(rebalance_band, 0) > 0
        or coalesce(rebalance_every, 1) <> 1
        or coalesce(min_trade, 0) > 0 as has_rebalance_rule,
        strategy = {{ sql_text(var('strategy')) }} as is_selected,
        -- what other strategies must beat: a ratio of 1, never traded if that is there
        strategy = coalesce(
            max(case when strategy = 'naive_hold' then strategy end) over (), 'naive'
        ) as is_benchmark
    from strategies
    cross join timeframes
{%- endmacro %}


{% macro has_unfit_parameters() -%}
    (
        estimator not in (
            {%- for name in fromjson(estimators()) %}
            '{{ name }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
        or beta_window < 3
        or (estimator = 'ewma' and not (halflife >= 1))
        or vol_window < 2
        or not (vol_target > 0)
        or not (rebalance_band >= 0)
        or rebalance_every < 0
        or not (min_trade >= 0)
        -- one scale or the other
        or (is_vol_scaled and is_vol_budget)
    )
{%- endmacro %}


{% macro has_sweep() -%}
    {{- 'yes' if var('sweep') | string | trim -}}
{%- endmacro %}


{% macro all_strategies() -%}
    {%- if has_sweep() -%}
        (
            select timeframe, estimator, beta_window, halflife, vol_window
            from {{ ref('int_strategies') }}
            union
            select timeframe, estimator, beta_window, halflife, vol_window
            from {{ ref('int_sweep_strategies') }}
        ) as strategies
    {%- else -%}
        {{- ref('int_strategies') -}}
    {%- endif -%}
{%- endmacro %}
