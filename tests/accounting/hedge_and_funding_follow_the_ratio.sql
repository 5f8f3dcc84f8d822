select
    returns.symbol,
    returns.timeframe,
    returns.strategy,
    returns.ts,
    returns.hedge_ratio,
    returns.r_hedge,
    returns.r_funding,
    prices.r_fut,
    prices.funding_rate
from {{ ref('returns_decomposed') }} as returns
left join {{ ref('prices_merged') }} as prices
    on returns.symbol = prices.symbol
    and returns.timeframe = prices.timeframe
    and returns.ts = prices.ts
where
    -- written so that a row without a partner fails, too
    not coalesce(
        abs(returns.r_hedge + returns.hedge_ratio * prices.r_fut) < 1e-12
        and abs(returns.r_funding - returns.hedge_ratio * prices.funding_rate) < 1e-12
        and returns.r_spot = prices.r_spot,
        false
    )
