-- One row per symbol, timeframe and strategy: its figures over the evaluated bars.
-- total_return and max_drawdown weigh each bar by its own notional; pnl_* is the money
-- for the coins held, as a fraction of their value before the first evaluated bar.
with
returns as (select * from {{ ref('returns_decomposed') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

weighted as (
    select
        returns.*,
        merged_bars.previous_close_spot
        / first_value(merged_bars.previous_close_spot) over by_time as notional
    from returns
    inner join merged_bars
        on returns.symbol = merged_bars.symbol
        and returns.timeframe = merged_bars.timeframe
        and returns.ts = merged_bars.ts
    window by_time as (
        partition by returns.symbol, returns.timeframe, returns.strategy
        order by returns.ts
    )
),

money as (
    select
        *,
        1 + sum(notional * r_net) over to_date as wealth,
        sum(notional * r_hedge) over to_date as perp_pnl
    from weighted
    window to_date as (
        partition by symbol, timeframe, strategy
        order by ts
        rows between unbounded preceding and current row
    )
),

peaked as (
    select
        *,
        greatest(1, max(wealth) over (
            partition by symbol, timeframe, strategy
            order by ts
            rows between unbounded preceding and current row
        )) as peak_wealth
    from money
),

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
        min(wealth / peak_wealth) - 1 as pnl_max_drawdown,
        least(0, min(perp_pnl)) as perp_pnl_low
    from peaked
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
    {{ null_if_proxy('pnl_max_drawdown') }} as pnl_max_drawdown,
    perp_pnl_low
from totals
