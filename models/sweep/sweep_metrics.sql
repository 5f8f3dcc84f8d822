-- One row per symbol, timeframe and strategy of the sweep: its parameters, its figures as
-- in hedge_metrics, over the sweep's own sample, and how much of its difference in U to
-- the benchmark may be chance. The interval is for the strategy alone: hedge_verdict
-- allows for picking the best. Key: symbol, timeframe, strategy.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
samples as (select * from {{ ref('int_sweep_samples') }}),
walks as (select * from {{ ref('int_sweep_walks') }}),

ends as (
    select
        samples.symbol,
        samples.timeframe,
        walks.*,
        samples.evaluated_bars as bars,
        samples.var_spot,
        {{ sample_variance('walks.net', 'walks.net_squares', 'samples.evaluated_bars') }}
            as var_net,
        {{ sample_variance(
            'walks.price', 'walks.price_squares', 'samples.evaluated_bars'
        ) }} as var_price,
        {{ sample_variance(
            'walks.ratio', 'walks.ratio_squares', 'samples.evaluated_bars'
        ) }} as var_ratio
    from walks
    inner join samples on walks.market = samples.market
),

scored as (
    select
        *,
        net / bars as mean_net,
        case
            when {{ 'false' if perp_is_proxy() else 'true' }}
                then {{ utility('net / bars', 'var_net', 'timeframe') }}
        end as utility
    from ends
),

benchmarks as (
    select scored.*
    from scored
    inner join strategies
        on scored.timeframe = strategies.timeframe
        and scored.strategy = strategies.strategy
        and strategies.is_benchmark
),

compared as (
    select
        scored.*,
        strategies.estimator, strategies.is_vol_scaled, strategies.is_vol_budget,
        strategies.beta_window, strategies.halflife, strategies.vol_window,
        strategies.vol_target, strategies.rebalance_band, strategies.rebalance_every,
        strategies.min_trade,
        case when not strategies.is_benchmark then scored.utility - benchmarks.utility end
            as delta_utility,
        list_stddev_samp(scored.deviations) as std_error,
        {{ critical_value(
            normal_quantile(),
            '(1.0 * scored.bars / ' ~ block_bars('scored.timeframe') ~ ')'
        ) }} as critical_value
    from scored
    inner join strategies
        on scored.timeframe = strategies.timeframe
        and scored.strategy = strategies.strategy
    left join benchmarks on scored.market = benchmarks.market
)

{%- set is_hedge = "estimator <> 'none'" %}

select
    symbol,
    timeframe,
    strategy,
    estimator,
    is_vol_scaled,
    is_vol_budget,
    beta_window,
    halflife,
    vol_window,
    vol_target,
    rebalance_band,
    rebalance_every,
    min_trade,
    bars,
    first_target + ratio / bars as hedge_ratio_mean,
    sqrt(var_ratio) as hedge_ratio_std,
    {{ variance_reduction('var_net', 'var_spot', is_hedge) }} as variance_reduction,
    {{ variance_reduction('var_price', 'var_spot', is_hedge) }}
        as variance_reduction_price,
    {{ sharpe('mean_net', 'var_net', 'timeframe', is_hedge) }} as sharpe,
    {{ annualised_volatility('var_net', 'timeframe', is_hedge) }} as volatility,
    turnover,
    turnover * {{ periods_per_year('timeframe') }} / bars as turnover_per_year,
    0 - {{ fee('turnover') }} as fees,
    funding,
    exp(growth) - 1 as total_return,
    {{ null_if_proxy('exp(growth_low) - 1', is_hedge) }} as max_drawdown,
    wealth - 1 as pnl_frac,
    {{ null_if_proxy('wealth_low - 1', is_hedge) }} as pnl_max_drawdown,
    perp_pnl_low,
    delta_utility,
    case when delta_utility is not null then std_error end as std_error,
    delta_utility - critical_value * std_error as ci_low,
    delta_utility + critical_value * std_error as ci_high
from compared
