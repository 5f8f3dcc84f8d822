-- One row per symbol, timeframe and strategy: its figures over the evaluated bars.
-- total_return and max_drawdown weigh each bar by its own notional; pnl_* is the money
-- for the coins held, as a fraction of their value before the first evaluated bar.
with
returns as (select * from {{ ref('int_returns') }}),

totals as (
    select
        symbol,
        timeframe,
        strategy,
        count(*) as bars,
        avg(hedge_ratio) as hedge_ratio_mean,
        stddev_samp(hedge_ratio) as hedge_ratio_std,
        var_samp(r_spot) as var_spot,
        var_samp(r_net) as var_net,
        var_samp(r_spot + r_hedge) as var_price,
        avg(r_net) as mean_net,
        sum(abs(trade)) as turnover,
        sum(r_fees) as fees,
        sum(r_funding) as funding,
        {{ compounded('r_net') }} as total_return,
        min(drawdown) as max_drawdown,
        {{ last_by('wealth', 'ts') }} - 1 as pnl_frac,
        min(pnl_drawdown) as pnl_max_drawdown,
        least(0, min(perp_pnl)) as perp_pnl_low
    from returns
    group by symbol, timeframe, strategy
)

select
    symbol,
    timeframe,
    strategy,
    bars,
    hedge_ratio_mean,
    hedge_ratio_std,
    {{ variance_reduction('var_net', 'var_spot') }} as variance_reduction,
    {{ variance_reduction('var_price', 'var_spot') }} as variance_reduction_price,
    {{ sharpe('mean_net', 'var_net', 'timeframe') }} as sharpe,
    {{ annualised_volatility('var_net', 'timeframe') }} as volatility,
    turnover,
    turnover * {{ periods_per_year('timeframe') }} / bars as turnover_per_year,
    fees,
    funding,
    total_return,
    max_drawdown,
    pnl_frac,
    pnl_max_drawdown,
    perp_pnl_low
from totals
