-- One row per market: the strategy that is best of all tried, how far it is ahead of the
-- benchmark, with the interval that holds for all of them at once, and at what fee and
-- funding a hedge breaks even. Key: market.
with
samples as (select * from {{ ref('int_samples') }}),
series as (select * from {{ ref('int_series') }}),
strategies as (select * from {{ ref('int_strategies') }}),
moments as (select * from {{ ref('int_moments') }}),
differences as (select * from {{ ref('int_utility_differences') }}),
quantiles as (select * from {{ ref('int_furthest_deviations') }}),

adjusted as (
    select
        differences.market, differences.strategy, differences.is_of_sweep,
        differences.delta_utility, differences.turnover, differences.std_error
        * {{ critical_value('quantiles.quantile', 'quantiles.blocks') }} as half_width,
        count(*) over (partition by differences.market) as strategies_tried
    from differences
    inner join quantiles on differences.market = quantiles.market
    where differences.std_error is not null
),

ranked as (
    select
        *,
        delta_utility - half_width > 0 as is_better,
        row_number() over (
            partition by market
            order by
                case when delta_utility - half_width > 0 then 0 else 1 end asc,
                delta_utility desc,
                strategy asc
        ) as place
    from adjusted
    -- nobody could have held a ratio that knows the whole sample
    where
        strategy not in (
            select strategies.strategy
            from strategies
            where strategies.estimator = 'static'
            {%- if has_sweep() %}
            union all
            select swept.strategy
            from {{ ref('int_sweep_strategies') }} as swept
            where swept.estimator = 'static'
            {%- endif %}
        )
),

benchmarks as (
    select
        series.market,
        series.strategy as benchmark,
        moments.hedge_ratio_mean as hedge_ratio,
        -- what the hedge earns beside the price risk that it is there to remove
        moments.mean_net - moments.mean_unhedged as carry,
        {{ utility('moments.mean_net', 'moments.var_net', 'series.timeframe') }}
        - {{ utility('moments.mean_spot', 'moments.var_r_spot', 'series.timeframe') }}
            as utility_vs_unhedged
    from moments
    inner join series on moments.series = series.series
    inner join strategies
        on series.timeframe = strategies.timeframe
        and series.strategy = strategies.strategy
        and strategies.is_benchmark
    -- nor can spot alone tell how far the perp strays from it
    where {{ 'false' if perp_is_proxy() else 'true' }}
),

compared as (
    select
        samples.*,
        benchmarks.benchmark,
        benchmarks.carry / nullif(benchmarks.hedge_ratio, 0) as carry_rate,
        benchmarks.utility_vs_unhedged / nullif(benchmarks.hedge_ratio, 0)
        / samples.periods_per_year as utility_rate,
        ranked.strategies_tried,
        ranked.strategy as best_strategy,
        ranked.delta_utility, ranked.half_width, ranked.is_better,
        ranked.turnover - benchmark_of_best.turnover as extra_turnover
    from samples
    left join ranked
        on samples.market = ranked.market
        and ranked.place = 1
    left join benchmarks on samples.market = benchmarks.market
    left join differences as benchmark_of_best
        on samples.market = benchmark_of_best.market
        and benchmarks.benchmark = benchmark_of_best.strategy
        and ranked.is_of_sweep = benchmark_of_best.is_of_sweep
)

select
    market,
    1.0 * evaluated_bars / {{ block_bars('timeframe') }} as blocks,
    funding_total / nullif(evaluated_bars, 0) as funding_rate,
    benchmark,
    carry_rate,
    utility_rate,
    strategies_tried,
    best_strategy,
    delta_utility,
    delta_utility - half_width as ci_low,
    delta_utility + half_width as ci_high,
    is_better,
    extra_turnover,
    {{ var('fees_bps') }}
    + 10000 * delta_utility
    / nullif(periods_per_year * extra_turnover / evaluated_bars, 0) as break_even_fee_bps
from compared
