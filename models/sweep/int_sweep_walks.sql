-- One row per market and strategy of the sweep: what its walk through the sample's bars
-- ends with, sums and extremes, and how far its difference in U to the benchmark strays
-- in each replicate of the bootstrap. Key: market, strategy.
{{ config(enabled=var('sweep') != '') }}

with
samples as (select * from {{ ref('int_sweep_samples') }}),
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
        samples.market, samples.timeframe, strategies.strategies,
        sweep_walk(
            bars.bars, targets.targets, strategies.rules, draws.places,
            {{ block_bars('samples.timeframe') }},
            {{ fee('1.0') }},
            {{ var('risk_aversion') }}
        ) as walks
    from samples
    inner join bars on samples.market = bars.market
    inner join targets on samples.market = targets.market
    inner join strategies on samples.timeframe = strategies.timeframe
    left join draws on samples.market = draws.market
),

walks as (
    select
        market,
        timeframe,
        unnest(strategies) as strategy,
        unnest(walks) as walk
    from walked
),

benchmarks as (
    select
        walks.market,
        walks.strategy,
        walks.walk['deviations'] as deviations
    from walks
    where walks.strategy in (select benchmark.strategy from benchmark)
)

select
    walks.market,
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
left join benchmarks on walks.market = benchmarks.market
