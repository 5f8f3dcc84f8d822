-- One row per market with enough blocks: the quantile, over replicates, of how far that
-- strategy strays that strays furthest from its figure (maximum of the paired statistics,
-- White 2000; Romano & Wolf 2005), those of a sweep included. Key: market.
with
series as (select * from {{ ref('int_series') }}),
strategies as (select * from {{ ref('int_strategies') }}),
replicates as (select * from {{ ref('int_bootstrap_replicates') }} where replicate > 0),
differences as (select * from {{ ref('int_utility_differences') }}),

utilities as (
    select
        series.market, series.symbol, series.timeframe, series.strategy,
        strategies.is_benchmark, replicates.replicate, replicates.blocks,
        {{ utility('replicates.mean_net', 'replicates.var_net', 'series.timeframe') }}
            as utility
    from replicates
    inner join series on replicates.series = series.series
    inner join strategies
        on series.timeframe = strategies.timeframe
        and series.strategy = strategies.strategy
),

-- in each replicate, how far the strategy strays that strays furthest from its figure
furthest{{ '_of_panel' if has_sweep() }} as (
    select
        utilities.market,
        utilities.replicate,
        max(utilities.blocks) as blocks,
        max(
            abs(utilities.utility - benchmark.utility - differences.delta_utility)
            / differences.std_error
        ) as statistic
    from utilities
    inner join utilities as benchmark
        on utilities.market = benchmark.market
        and utilities.replicate = benchmark.replicate
        and benchmark.is_benchmark
    inner join differences
        on utilities.market = differences.market
        and utilities.strategy = differences.strategy
        and not differences.is_of_sweep
    group by utilities.market, utilities.replicate
),

{%- if has_sweep() %}

furthest_of_sweep as (
    select
        differences.market,
        drawn.replicate,
        max(abs(drawn.deviation) / differences.std_error) as statistic
    from {{ ref('int_sweep_replicates') }} as drawn
    inner join differences
        on drawn.market = differences.market
        and drawn.strategy = differences.strategy
        and differences.is_of_sweep
    group by differences.market, drawn.replicate
),

furthest as (
    select
        panel.market, panel.replicate, panel.blocks,
        -- NULL where none of the sweep differs from the benchmark
        greatest(panel.statistic, coalesce(sweep.statistic, 0)) as statistic
    from furthest_of_panel as panel
    left join furthest_of_sweep as sweep
        on panel.market = sweep.market
        and panel.replicate = sweep.replicate
),
{%- endif %}

quantiles as (
    select
        market,
        max(blocks) as blocks,
        percentile_cont({{ confidence() }}) within group (order by statistic) as quantile
    from furthest
    group by market
)

select
    market,
    blocks,
    quantile
from quantiles
