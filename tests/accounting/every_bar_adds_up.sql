-- One pass for what holds of each bar alone, since a pass over all bars of all strategies
-- is what a test costs. 1e-12 of a notional: four additions of numbers below 1 err by
-- less than 1e-15.
with
judged as (
    select
        returns.*,
        prices.funding_rate,
        case
            when
                returns.symbol is null
                or returns.timeframe is null
                or returns.strategy is null
                or returns.ts is null
                then 'a key is NULL'
            when
                not coalesce(
                    abs(
                        returns.r_spot + returns.r_hedge + returns.r_funding
                        + returns.r_fees - returns.r_net
                    ) < 1e-12,
                    false
                )
                then 'r_net is not the sum of its parts'
            when not returns.r_net > -1 then 'a bar loses more than everything'
            when
                not coalesce(
                    abs(returns.r_hedge + returns.hedge_ratio * prices.r_fut) < 1e-12
                    and returns.r_spot = prices.r_spot
                    and returns.r_fut = prices.r_fut,
                    false
                )
                then 'r_hedge does not follow the ratio'
            when
                not coalesce(
                    abs(returns.r_funding - returns.hedge_ratio * prices.funding_rate)
                    < 1e-12,
                    false
                )
                then 'r_funding does not follow the ratio'
            when
                returns.drawdown > 0
                or returns.drawdown <= -1
                or returns.drawdown > exp(returns.cum_log_return) - 1 + 1e-12
                then 'a drawdown is out of its bounds'
            when
                not (
                    {{ is_finite('returns.r_net') }}
                    and {{ is_finite('returns.cum_log_return') }}
                    and {{ is_finite('returns.trade') }}
                    and {{ is_finite('returns.r_slippage') }}
                )
                then 'a figure is not finite'
        end as fault
    from {{ ref('returns_decomposed') }} as returns
    left join {{ ref('prices_merged') }} as prices
        on returns.symbol = prices.symbol
        and returns.timeframe = prices.timeframe
        and returns.ts = prices.ts
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    fault,
    hedge_ratio,
    funding_rate,
    r_hedge,
    r_funding,
    r_fees,
    r_net,
    cum_log_return,
    drawdown
from judged
where fault is not null
