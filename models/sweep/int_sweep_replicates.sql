-- One row per symbol, timeframe, strategy of the sweep and replicate: how far its
-- difference in U to the benchmark strays from its figure. The replicates draw the same
-- blocks as int_bootstrap_replicates, and there are none of a sample that holds too few.
-- Key: symbol, timeframe, strategy, replicate.
{{ config(enabled=var('sweep') != '', materialized='view') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
walks as (select * from {{ ref('int_sweep_walks') }}),

benchmarks as (
    select walks.*
    from walks
    inner join strategies
        on walks.timeframe = strategies.timeframe
        and walks.strategy = strategies.strategy
        and strategies.is_benchmark
),

drawn as (
    select
        walks.symbol,
        walks.timeframe,
        walks.strategy,
        unnest(range(1, len(walks.deviations) + 1)) as replicate,
        unnest(walks.deviations) as deviation,
        unnest(benchmarks.deviations) as benchmark_deviation
    from walks
    inner join benchmarks
        on walks.symbol = benchmarks.symbol
        and walks.timeframe = benchmarks.timeframe
        and walks.strategy <> benchmarks.strategy
)

select
    symbol,
    timeframe,
    strategy,
    replicate,
    {{ periods_per_year('timeframe') }} * (deviation - benchmark_deviation) as deviation
from drawn
