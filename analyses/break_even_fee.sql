-- At which fee does rebalancing stop paying against entering once?
--
-- gain is what a strategy's bars brought before any cost, beyond those of the
-- benchmark (naive_hold, where it is there); extra_turnover is what it traded beyond
-- it. Their ratio is the cost of a trade, slippage included, at which both end level:
-- below it, rebalancing paid.
-- Caveats: it compares sums of returns, not risk, so look at volatility too (a year,
-- net of the built fees): a partial hedge gains by holding spot while spot rises. A
-- large break_even_bps of a small extra_turnover says little. One sample, no interval:
-- hedge_intervals and hedge_verdict say how sure a difference is.
with
gross as (
    select
        symbol,
        timeframe,
        strategy,
        sum(r_spot + r_hedge + r_funding) as gross_return
    from returns_decomposed
    group by symbol, timeframe, strategy
),

scored as (
    select
        gross.symbol,
        gross.timeframe,
        gross.strategy,
        gross.gross_return,
        hedge_metrics.turnover,
        hedge_metrics.volatility,
        int_strategies.is_benchmark
    from gross
    inner join hedge_metrics
        on gross.symbol = hedge_metrics.symbol
        and gross.timeframe = hedge_metrics.timeframe
        and gross.strategy = hedge_metrics.strategy
    inner join int_strategies
        on gross.timeframe = int_strategies.timeframe
        and gross.strategy = int_strategies.strategy
    where int_strategies.estimator <> 'none'
),

compared as (
    select
        scored.symbol,
        scored.timeframe,
        scored.strategy,
        -- what two equal strategies differ by in rounding is nothing
        round(scored.gross_return - benchmark.gross_return, 9) + 0.0 as gain,
        round(scored.turnover - benchmark.turnover, 9) + 0.0 as extra_turnover,
        scored.volatility,
        scored.is_benchmark
    from scored
    inner join scored as benchmark
        on scored.symbol = benchmark.symbol
        and scored.timeframe = benchmark.timeframe
        and benchmark.is_benchmark
)

select
    symbol,
    timeframe,
    strategy,
    round(gain, 6) + 0.0 as gain,
    round(extra_turnover, 3) + 0.0 as extra_turnover,
    case
        when extra_turnover > 0 and gain > 0
            then round(10000 * gain / extra_turnover, 3)
    end as break_even_bps,
    case
        when is_benchmark then 'benchmark'
        when extra_turnover <= 0 then 'trades no more'
        when gain <= 0 then 'loses even for free'
        else 'pays below'
    end as answer,
    round(volatility, 4) as volatility
from compared
order by symbol asc, timeframe asc, break_even_bps desc nulls last, strategy asc;
