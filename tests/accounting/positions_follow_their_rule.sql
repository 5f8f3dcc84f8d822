with
held as (
    select
        returns.*,
        betas.hedge_ratio as target,
        strategies.rebalance_band,
        strategies.rebalance_every,
        strategies.min_trade,
        row_number() over by_time - 1 as bar_index,
        lag(returns.hedge_ratio) over by_time
        * (1 + lag(returns.r_fut) over by_time)
        / (1 + lag(returns.r_spot) over by_time) as drifted
    from {{ ref('returns_decomposed') }} as returns
    inner join {{ ref('beta_series') }} as betas
        on returns.symbol = betas.symbol
        and returns.timeframe = betas.timeframe
        and returns.strategy = betas.strategy
        and returns.ts = betas.ts
    inner join {{ ref('int_strategies') }} as strategies
        on returns.timeframe = strategies.timeframe
        and returns.strategy = strategies.strategy
    window by_time as (
        partition by returns.symbol, returns.timeframe, returns.strategy
        order by returns.ts
    )
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    bar_index,
    target,
    drifted,
    hedge_ratio,
    trade
from held
where
    not coalesce(abs(hedge_ratio - coalesce(drifted, 0) - trade) < 1e-9, false)
    or (trade <> 0 and hedge_ratio <> target)
    or (bar_index = 0 and hedge_ratio <> target)
    or (
        bar_index > 0
        and trade <> 0
        and (
            abs(trade) < rebalance_band - 1e-12
            or abs(trade) < min_trade - 1e-12
            or rebalance_every = 0
            or bar_index % nullif(rebalance_every, 0) <> 0
        )
    )
    -- 1e-9: prices that drift by rounding alone
    or (
        trade = 0
        and bar_index > 0
        and (rebalance_every > 0 and bar_index % nullif(rebalance_every, 0) = 0)
        and abs(target - drifted) > rebalance_band + 1e-9
        and abs(target - drifted) >= min_trade + 1e-9
    )
