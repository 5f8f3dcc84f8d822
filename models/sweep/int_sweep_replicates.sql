-- One row per symbol, timeframe, strategy of the sweep and replicate: how far its
-- difference in U to the benchmark strays from its figure. The replicates draw the same
-- blocks as int_bootstrap_replicates, and there are none of a sample that holds too few.
-- Key: symbol, timeframe, strategy, replicate.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),

deviations as (
    {{ sweep_deviations(
        ref('int_sweep_walks'), ref('int_sweep_stretches'), ref('int_sweep_samples')
    ) }}
),

benchmark as (
    select deviations.*
    from deviations
    inner join strategies
        on deviations.timeframe = strategies.timeframe
        and deviations.strategy = strategies.strategy
        and strategies.is_benchmark
)

select
    deviations.symbol,
    deviations.timeframe,
    deviations.strategy,
    deviations.replicate,
    {{ periods_per_year('deviations.timeframe') }}
    * (deviations.deviation - benchmark.deviation) as deviation
from deviations
inner join benchmark
    on deviations.symbol = benchmark.symbol
    and deviations.timeframe = benchmark.timeframe
    and deviations.replicate = benchmark.replicate
where deviations.strategy <> benchmark.strategy
