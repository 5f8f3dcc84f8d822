-- One row per symbol, timeframe, strategy and merged bar with a return: what was
-- estimated from the rows before the bar, and the hedge ratio that follows from it.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
strategies as (select * from {{ ref('int_strategies') }}),
targets as (select * from {{ ref('int_targets') }}),
betas as (select * from {{ ref('int_betas') }}),
realized_vols as (select * from {{ ref('int_realized_vols') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }})

select
    merged_bars.symbol,
    merged_bars.timeframe,
    strategies.strategy,
    merged_bars.ts,
    {{ target_beta('strategies.estimator', 'static_estimates.beta', 'betas.beta') }}
        as beta,
    realized_vols.realized_vol,
    {{ vol_scale(
        'realized_vols.realized_vol', 'strategies.vol_target',
        'strategies.uses_volatility', 'strategies.is_vol_budget'
    ) }} as vol_scale,
    targets.hedge_ratio,
    case
        when targets.hedge_ratio is null then 'warmup'
        when targets.is_held then 'held'
        else 'ok'
    end as status
from merged_bars
inner join strategies on merged_bars.timeframe = strategies.timeframe
inner join targets
    on merged_bars.market = targets.market
    and strategies.target = targets.target
    and merged_bars.row_index = targets.row_index
left join betas
    on merged_bars.market = betas.market
    and merged_bars.row_index = betas.row_index
    and strategies.estimator = betas.estimator
    and strategies.beta_window = betas.beta_window
    and strategies.halflife = betas.halflife
left join realized_vols
    on merged_bars.market = realized_vols.market
    and merged_bars.row_index = realized_vols.row_index
    and strategies.vol_window = realized_vols.vol_window
left join static_estimates on merged_bars.market = static_estimates.market
where not merged_bars.is_next_bar
