-- One row per symbol, timeframe and strategy: its figures over the evaluated bars.
-- total_return and max_drawdown weigh each bar by its own notional; pnl_* is the money
-- for the coins held, as a fraction of their value before the first evaluated bar.
with
moments as (select * from {{ ref('int_moments') }}),
series as (select * from {{ ref('int_series') }}),

totals as (
    select
        series.symbol, series.timeframe, series.strategy,
        moments.*
    from moments
    inner join series on moments.series = series.series
)

select
    symbol,
    timeframe,
    strategy,
    bars,
    hedge_ratio_mean,
    sqrt(hedge_ratio_var) as hedge_ratio_std,
    {{ variance_reduction('var_net', 'var_r_spot') }} as variance_reduction,
    {{ variance_reduction('var_price', 'var_r_spot') }} as variance_reduction_price,
    {{ sharpe('mean_net', 'var_net', 'timeframe') }} as sharpe,
    {{ annualised_volatility('var_net', 'timeframe') }} as volatility,
    turnover,
    turnover * {{ periods_per_year('timeframe') }} / bars as turnover_per_year,
    r_fees as fees,
    r_funding as funding,
    exp(cum_log_return) - 1 as total_return,
    {{ null_if_proxy('max_drawdown') }} as max_drawdown,
    wealth - 1 as pnl_frac,
    {{ null_if_proxy('pnl_max_drawdown') }} as pnl_max_drawdown,
    perp_pnl_low
from totals
