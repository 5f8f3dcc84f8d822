-- 1e-9: ten thousand additions of numbers below 10.
with
money as (
    select
        symbol,
        timeframe,
        strategy,
        price_spot / first_value(price_spot) over (
            partition by symbol, timeframe order by seq
        ) * r_net as result,
        case when r_net is not null then order_notional_frac end as traded
    from {{ ref('paper_rebalance_log') }}
),

totals as (
    select
        symbol,
        timeframe,
        strategy,
        sum(result) as pnl_frac,
        sum(traded) as turnover
    from money
    group by symbol, timeframe, strategy
)

select
    metrics.symbol,
    metrics.timeframe,
    metrics.strategy,
    metrics.pnl_frac,
    totals.pnl_frac as pnl_frac_of_orders,
    metrics.turnover,
    totals.turnover as turnover_of_orders
from {{ ref('hedge_metrics') }} as metrics
left join totals
    on metrics.symbol = totals.symbol
    and metrics.timeframe = totals.timeframe
    and metrics.strategy = totals.strategy
where
    metrics.strategy = {{ sql_text(var('strategy')) }}
    and not coalesce(
        abs(metrics.pnl_frac - totals.pnl_frac) < 1e-9
        and abs(metrics.turnover - totals.turnover) < 1e-9,
        false
    )
