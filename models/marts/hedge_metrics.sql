-- One row per symbol, timeframe and strategy: its figures over the evaluated bars.
-- total_return and max_drawdown weigh each bar by its own notional; pnl_* is the money
-- for the coins held, as a fraction of their value before the first evaluated bar.
with
returns as (select * from {{ ref('returns_decomposed') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

samples as (select * from {{ ref('int_samples') }}),

-- spot's value at the bar's start, in its value before the first evaluated bar
notionals as (
    select
        merged_bars.symbol,
        merged_bars.timeframe,
        merged_bars.ts,
        merged_bars.previous_close_spot
        / first_value(merged_bars.previous_close_spot) over (
            partition by merged_bars.symbol, merged_bars.timeframe
            order by merged_bars.ts
        ) as notional
    from merged_bars
    inner join samples
        on merged_bars.symbol = samples.symbol
        and merged_bars.timeframe = samples.timeframe
        and merged_bars.ts >= samples.start_ts
),

weighted as (
    select
        returns.*,
        notionals.notional
    from returns
    inner join notionals
        on returns.symbol = notionals.symbol
        and returns.timeframe = notionals.timeframe
        and returns.ts = notionals.ts
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
