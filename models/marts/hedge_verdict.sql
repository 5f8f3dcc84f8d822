-- One row per symbol and timeframe: whether any strategy tried is worth more than a
-- ratio of 1, in the score U. The interval of the best holds for all of them at once
-- (maximum of the paired statistics, White 2000; Romano & Wolf 2005), so picking it is
-- allowed for. Key: symbol, timeframe.
{% set block_days = var('bootstrap_block_days') %}

with
samples as (select * from {{ ref('int_samples') }}),
strategies as (select * from {{ ref('int_strategies') }}),
replicates as (select * from {{ ref('int_bootstrap_replicates') }}),
returns as (select * from {{ ref('returns_decomposed') }}),
hedge_metrics as (select * from {{ ref('hedge_metrics') }}),

benchmarks as (
    select strategy
    from strategies
    where is_benchmark
),

differences as (
    select
        symbol,
        timeframe,
        strategy,
        estimate as delta_utility,
        -- below that, the two are the same series but for rounding
        case when std_error > 1e-12 then std_error end as std_error
    from {{ ref('hedge_intervals') }}
    where metric = 'utility_vs_benchmark'
),

-- in each replicate, how far the strategy strays that strays furthest from its figure
furthest{{ '_of_panel' if has_sweep() }} as (
    select
        replicates.symbol,
        replicates.timeframe,
        replicates.replicate,
        max(replicates.blocks) as blocks,
        max(
            abs(
                {{ utility('replicates.mean_net', 'replicates.var_net',
                           'replicates.timeframe') }}
                - {{ utility('benchmark.mean_net', 'benchmark.var_net',
                             'replicates.timeframe') }}
                - differences.delta_utility
            ) / differences.std_error
        ) as statistic
    from replicates
    inner join replicates as benchmark
        on replicates.symbol = benchmark.symbol
        and replicates.timeframe = benchmark.timeframe
        and replicates.replicate = benchmark.replicate
        and benchmark.strategy in (select benchmarks.strategy from benchmarks)
    inner join differences
        on replicates.symbol = differences.symbol
        and replicates.timeframe = differences.timeframe
        and replicates.strategy = differences.strategy
    where replicates.replicate > 0
    group by replicates.symbol, replicates.timeframe, replicates.replicate
),

{%- if has_sweep() %}

-- what the sweep took from the panel is counted there
differences_of_sweep as (
    select
        sweep_metrics.symbol,
        sweep_metrics.timeframe,
        sweep_metrics.strategy,
        sweep_metrics.delta_utility,
        sweep_metrics.std_error
    from {{ ref('sweep_metrics') }} as sweep_metrics
    inner join {{ ref('int_sweep_strategies') }} as sweep_strategies
        on sweep_metrics.timeframe = sweep_strategies.timeframe
        and sweep_metrics.strategy = sweep_strategies.strategy
    where sweep_metrics.std_error > 1e-12 and not sweep_strategies.is_from_panel
),

furthest_of_sweep as (
    select
        drawn.symbol,
        drawn.timeframe,
        drawn.replicate,
        max(abs(drawn.deviation) / differences.std_error) as statistic
    from {{ ref('int_sweep_replicates') }} as drawn
    inner join differences_of_sweep as differences
        on drawn.symbol = differences.symbol
        and drawn.timeframe = differences.timeframe
        and drawn.strategy = differences.strategy
    group by drawn.symbol, drawn.timeframe, drawn.replicate
),

furthest as (
    select
        panel.symbol,
        panel.timeframe,
        panel.replicate,
        panel.blocks,
        -- NULL where none of the sweep differs from the benchmark
        greatest(panel.statistic, coalesce(sweep.statistic, 0)) as statistic
    from furthest_of_panel as panel
    left join furthest_of_sweep as sweep
        on panel.symbol = sweep.symbol
        and panel.timeframe = sweep.timeframe
        and panel.replicate = sweep.replicate
),

tried as (
    select symbol, timeframe, strategy, delta_utility, std_error, false as is_of_sweep
    from differences
    union all
    select symbol, timeframe, strategy, delta_utility, std_error, true as is_of_sweep
    from differences_of_sweep
),
{%- else %}

tried as (select *, false as is_of_sweep from differences),
{%- endif %}

quantiles as (
    select
        symbol,
        timeframe,
        max(blocks) as blocks,
        percentile_cont({{ confidence() }}) within group (order by statistic) as quantile
    from furthest
    group by symbol, timeframe
),

adjusted as (
    select
        tried.symbol,
        tried.timeframe,
        tried.strategy,
        tried.is_of_sweep,
        tried.delta_utility,
        tried.std_error
        * {{ critical_value('quantiles.quantile', 'quantiles.blocks') }} as half_width,
        count(*) over (
            partition by tried.symbol, tried.timeframe
        ) as strategies_tried
    from tried
    inner join quantiles
        on tried.symbol = quantiles.symbol
        and tried.timeframe = quantiles.timeframe
    where tried.std_error is not null
),

ranked as (
    select
        *,
        delta_utility - half_width > 0 as is_better,
        row_number() over (
            partition by symbol, timeframe
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

turnovers as (
    select symbol, timeframe, strategy, turnover, false as is_of_sweep
    from hedge_metrics
    {%- if has_sweep() %}
    union all
    select
        sweep_metrics.symbol,
        sweep_metrics.timeframe,
        sweep_metrics.strategy,
        -- a sample of its own may have other bars
        sweep_metrics.turnover * samples.evaluated_bars / sweep_metrics.bars as turnover,
        true as is_of_sweep
    from {{ ref('sweep_metrics') }} as sweep_metrics
    inner join samples
        on sweep_metrics.symbol = samples.symbol
        and sweep_metrics.timeframe = samples.timeframe
    {%- endif %}
),


benchmark_means as (
    select
        symbol,
        timeframe,
        strategy as benchmark,
        avg(hedge_ratio) as hedge_ratio,
        -- what the hedge earns beside the price risk that it is there to remove
        avg(r_net - (1 - hedge_ratio) * r_spot) as carry,
        {{ utility('avg(r_net)', 'var_samp(r_net)', 'timeframe') }}
        - {{ utility('avg(r_spot)', 'var_samp(r_spot)', 'timeframe') }}
            as utility_vs_unhedged
    from returns
    where
        strategy in (select benchmarks.strategy from benchmarks)
        -- nor can spot alone tell how far the perp strays from it
        and {{ 'false' if perp_is_proxy() else 'true' }}
    group by symbol, timeframe, strategy
),

judged as (
    select
        samples.symbol,
        samples.timeframe,
        1.0 * samples.evaluated_bars
        / {{ block_bars('samples.timeframe') }} as blocks,
        samples.funding_total / nullif(samples.evaluated_bars, 0) as funding_rate,
        benchmark_means.benchmark,
        benchmark_means.carry / nullif(benchmark_means.hedge_ratio, 0) as carry_rate,
        benchmark_means.utility_vs_unhedged
        / nullif(benchmark_means.hedge_ratio, 0)
        / samples.periods_per_year as utility_rate,
        ranked.strategies_tried,
        ranked.strategy as best_strategy,
        ranked.delta_utility,
        ranked.delta_utility - ranked.half_width as ci_low,
        ranked.delta_utility + ranked.half_width as ci_high,
        ranked.is_better,
        (best_metrics.turnover - benchmark_metrics.turnover)
        / nullif(samples.evaluated_bars, 0) as extra_turnover,
        {{ var('fees_bps') }}
        + 10000 * ranked.delta_utility
        / nullif(
            samples.periods_per_year
            * (best_metrics.turnover - benchmark_metrics.turnover)
            / samples.evaluated_bars,
            0
        ) as break_even_fee_bps,
        case
            when benchmark_means.benchmark = 'naive' then 'at every bar'
            else 'held from entry'
        end as benchmark_habit
    from samples
    left join ranked
        on samples.symbol = ranked.symbol
        and samples.timeframe = ranked.timeframe
        and ranked.place = 1
    left join benchmark_means
        on samples.symbol = benchmark_means.symbol
        and samples.timeframe = benchmark_means.timeframe
    left join turnovers as best_metrics
        on ranked.symbol = best_metrics.symbol
        and ranked.timeframe = best_metrics.timeframe
        and ranked.strategy = best_metrics.strategy
        and ranked.is_of_sweep = best_metrics.is_of_sweep
    left join turnovers as benchmark_metrics
        on benchmark_means.symbol = benchmark_metrics.symbol
        and benchmark_means.timeframe = benchmark_metrics.timeframe
        and benchmark_means.benchmark = benchmark_metrics.strategy
        and ranked.is_of_sweep = benchmark_metrics.is_of_sweep
)

select
    symbol,
    timeframe,
    benchmark,
    blocks,
    strategies_tried,
    best_strategy,
    delta_utility,
    ci_low,
    ci_high,
    is_better as is_replaced,
    case
        when extra_turnover > 0 and break_even_fee_bps >= 0 then break_even_fee_bps
    end as break_even_fee_bps,
    {{ per_8_hours('funding_rate', 'timeframe') }} as mean_funding_rate,
    {{ per_8_hours('funding_rate - carry_rate', 'timeframe') }}
        as break_even_funding_rate,
    {{ per_8_hours('funding_rate - utility_rate', 'timeframe') }}
        as indifferent_funding_rate,
    symbol || ' ' || timeframe || ': '
    || case
        when {{ 'true' if perp_is_proxy() else 'false' }}
            then 'no verdict without a perp: spot alone cannot tell the risk of a hedge'
        when blocks < {{ least_blocks() }}
            then
                'not enough data: '
                || {{ counted(
                    'cast(floor(blocks * ' ~ block_days ~ ') as bigint)', 'day'
                ) }}
                || ', and a verdict needs {{ least_blocks() | int * block_days }}'
        when benchmark is null
            then 'no verdict: no strategy holds a ratio of 1 to compare with'
        when best_strategy is null
            then 'no verdict: no strategy differs from ' || benchmark
        else
            case
                when is_better then best_strategy || ' replaces ' || benchmark || ' ('
                else
                    'β = 1 ' || benchmark_habit
                    || ' is enough: no strategy beats it beyond chance (best '
                    || best_strategy || ', '
            end
            || 'ΔU ' || {{ signed_percent('delta_utility') }}
            || ' a year, adjusted 95 % interval ' || {{ signed_percent('ci_low') }}
            || ' to ' || {{ signed_percent('ci_high') }} || ')'
    end as verdict
from judged
