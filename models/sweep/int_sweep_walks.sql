-- One row per symbol, timeframe and strategy of the sweep: what its walk through the
-- sample's bars ends with, sums and extremes, and how far its mean utility strays in each
-- replicate of the bootstrap. Key: symbol, timeframe, strategy.
{{ config(enabled=var('sweep') != '') }}

with
bars as (select * from {{ ref('int_sweep_bars') }}),
targets as (select * from {{ ref('int_sweep_targets') }}),
draws as (select * from {{ ref('int_sweep_draws') }}),

strategies as (
    select
        timeframe,
        list(strategy order by series, strategy) as strategies,
        list(
            {
                'series': series,
                'band': rebalance_band,
                'every': rebalance_every,
                'min_trade': min_trade
            }
            order by series, strategy
        ) as rules
    from {{ ref('int_sweep_strategies') }}
    group by timeframe
),

walked as materialized (
    select
        bars.symbol,
        bars.timeframe,
        strategies.strategies,
        sweep_walk(
            bars.bars,
            targets.targets,
            strategies.rules,
            draws.places,
            {{ block_bars('bars.timeframe') }},
            {{ fee('1.0') }},
            {{ var('risk_aversion') }}
        ) as walks
    from bars
    inner join targets
        on bars.symbol = targets.symbol
        and bars.timeframe = targets.timeframe
    inner join strategies on bars.timeframe = strategies.timeframe
    left join draws
        on bars.symbol = draws.symbol
        and bars.timeframe = draws.timeframe
),

walks as (
    select
        symbol,
        timeframe,
        unnest(strategies) as strategy,
        unnest(walks) as walk
    from walked
)

select
    symbol,
    timeframe,
    strategy,
    walk.first_target,
    walk.turnover,
    walk.funding,
    walk.perp_pnl_low,
    walk.net,
    walk.net_squares,
    walk.price,
    walk.price_squares,
    walk.ratio,
    walk.ratio_squares,
    walk.growth,
    walk.growth_low,
    walk.wealth,
    walk.wealth_low,
    walk.deviations
from walks
