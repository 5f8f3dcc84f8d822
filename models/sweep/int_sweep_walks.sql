-- One row per symbol, timeframe and strategy of the sweep: what its walk through the
-- sample's bars ends with, sums and extremes, and how far its difference in U to the
-- benchmark strays in each replicate of the bootstrap. Key: symbol, timeframe, strategy.
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

benchmark as (
    select distinct strategy
    from {{ ref('int_sweep_strategies') }}
    where is_benchmark
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
),

benchmarks as (
    select
        walks.symbol,
        walks.timeframe,
        walks.strategy,
        walks.walk['deviations'] as deviations
    from walks
    where walks.strategy in (select benchmark.strategy from benchmark)
)

select
    walks.symbol,
    walks.timeframe,
    walks.strategy,
    walks.walk['first_target'] as first_target,
    walks.walk['turnover'] as turnover,
    walks.walk['funding'] as funding,
    walks.walk['perp_pnl_low'] as perp_pnl_low,
    walks.walk['net'] as net,
    walks.walk['net_squares'] as net_squares,
    walks.walk['price'] as price,
    walks.walk['price_squares'] as price_squares,
    walks.walk['ratio'] as ratio,
    walks.walk['ratio_squares'] as ratio_squares,
    walks.walk['growth'] as growth,
    walks.walk['growth_low'] as growth_low,
    walks.walk['wealth'] as wealth,
    walks.walk['wealth_low'] as wealth_low,
    case
        when benchmarks.strategy <> walks.strategy
            then {{ yearly_differences(
                "walks.walk['deviations']", 'benchmarks.deviations', 'walks.timeframe'
            ) }}
    end as deviations
from walks
left join benchmarks
    on walks.symbol = benchmarks.symbol
    and walks.timeframe = benchmarks.timeframe
