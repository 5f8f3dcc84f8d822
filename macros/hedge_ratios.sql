{% macro hedge_ratios_of(strategies) -%}
    with
    merged_bars as (select * from {{ ref('int_merged_bars') }}),
    strategies as (select * from {{ strategies }}),
    betas as (select * from {{ ref('int_betas') }}),
    realized_vols as (select * from {{ ref('int_realized_vols') }}),
    static_estimates as (select * from {{ ref('int_static_estimates') }}),

    estimated as (
        select
            bars.symbol,
            bars.timeframe,
            strategies.strategy,
            bars.ts,
            bars.is_next_bar,
            case strategies.estimator
                when 'none' then 0.0
                when 'naive' then 1.0
                when 'static' then static_estimates.beta
                else betas.beta
            end as beta,
            realized_vols.realized_vol,
            -- least(1, NULL) would be 1: an undefined volatility must not become a full
            -- hedge
            case
                when not strategies.uses_volatility then 1.0
                when realized_vols.realized_vol > strategies.vol_target
                    then
                        case
                            when strategies.is_vol_budget
                                then
                                    1
                                    - strategies.vol_target / realized_vols.realized_vol
                            else strategies.vol_target / realized_vols.realized_vol
                        end
                when realized_vols.realized_vol is not null
                    then case when strategies.is_vol_budget then 0.0 else 1.0 end
            end as vol_scale
        from merged_bars as bars
        inner join strategies on bars.timeframe = strategies.timeframe
        left join betas
            on bars.market = betas.market
            and bars.row_index = betas.row_index
            and strategies.estimator = betas.estimator
            and strategies.beta_window = betas.beta_window
            and strategies.halflife = betas.halflife
        left join realized_vols
            on bars.market = realized_vols.market
            and bars.row_index = realized_vols.row_index
            and strategies.vol_window = realized_vols.vol_window
        left join static_estimates
            on bars.market = static_estimates.market
        where {{ takes_a_ratio('bars') }}
    ),

    held as (
        select
            *,
            {{ last_known(
                'beta * vol_scale',
                partition_by='symbol, timeframe, strategy',
                order_by='ts'
            ) }} as hedge_ratio
        from estimated
    )

    select
        symbol,
        timeframe,
        strategy,
        ts,
        is_next_bar,
        beta,
        realized_vol,
        vol_scale,
        hedge_ratio,
        case
            when hedge_ratio is null then 'warmup'
            when beta * vol_scale is null then 'held'
            else 'ok'
        end as status
    from held
{%- endmacro %}


{% macro sample_starts(ratios) -%}
    with
    merged_bars as (select * from {{ ref('int_merged_bars') }}),

    first_ratios as (
        select
            symbol,
            timeframe,
            strategy,
            min(case when hedge_ratio is not null then ts end) as first_ts
        from {{ ratios }}
        where not is_next_bar
        group by symbol, timeframe, strategy
    ),

    all_have_ratios as (
        select
            symbol,
            timeframe,
            case when count(*) = count(first_ts) then max(first_ts) end as first_ts
        from first_ratios
        group by symbol, timeframe
    ),

    -- where bars of every timeframe end, the next ones may be the first to be evaluated
    own_starts as (
        select
            merged_bars.symbol,
            merged_bars.timeframe,
            min(merged_bars.previous_end_ts) as decision_ts
        from merged_bars
        inner join all_have_ratios
            on merged_bars.symbol = all_have_ratios.symbol
            and merged_bars.timeframe = all_have_ratios.timeframe
            and merged_bars.ts >= all_have_ratios.first_ts
        where
            not merged_bars.is_next_bar
            and {{ is_on_grid('merged_bars.previous_end_ts', common_step_ms()) }}
        group by merged_bars.symbol, merged_bars.timeframe
    ),

    common_starts as (
        select
            symbol,
            timeframe,
            max(decision_ts) over (partition by symbol) as decision_ts
        from own_starts
    )

    select
        merged_bars.symbol,
        merged_bars.timeframe,
        min(merged_bars.ts) as start_ts
    from merged_bars
    inner join common_starts
        on merged_bars.symbol = common_starts.symbol
        and merged_bars.timeframe = common_starts.timeframe
        and merged_bars.previous_end_ts >= common_starts.decision_ts
    group by merged_bars.symbol, merged_bars.timeframe
{%- endmacro %}
