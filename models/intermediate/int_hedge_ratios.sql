-- One row per symbol, timeframe, strategy and bar, the next bar included: the ratio that
-- is fixed at the close before it. An undefined ratio keeps the last one (held), and is
-- NULL before the first (warmup): never 0. Key: symbol, timeframe, strategy, ts.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
strategies as (select * from {{ ref('int_strategies') }}),
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
                            then 1 - strategies.vol_target / realized_vols.realized_vol
                        else strategies.vol_target / realized_vols.realized_vol
                    end
            when realized_vols.realized_vol is not null
                then case when strategies.is_vol_budget then 0.0 else 1.0 end
        end as vol_scale
    from merged_bars as bars
    inner join strategies on bars.timeframe = strategies.timeframe
    left join betas
        on bars.symbol = betas.symbol
        and bars.timeframe = betas.timeframe
        and bars.ts = betas.ts
        and strategies.estimator = betas.estimator
        and strategies.beta_window = betas.beta_window
        and strategies.halflife = betas.halflife
    left join realized_vols
        on bars.symbol = realized_vols.symbol
        and bars.timeframe = realized_vols.timeframe
        and bars.ts = realized_vols.ts
        and strategies.vol_window = realized_vols.vol_window
    left join static_estimates
        on bars.symbol = static_estimates.symbol
        and bars.timeframe = static_estimates.timeframe
    where {{ takes_a_ratio('bars') }}
),

held as (
    select
        *,
        {{ last_known(
            'beta * vol_scale', partition_by='symbol, timeframe, strategy', order_by='ts'
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
