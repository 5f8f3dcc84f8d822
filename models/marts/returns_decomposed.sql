-- One row per symbol, timeframe, strategy and evaluated bar: the hedged return and its
-- parts, as fractions of the spot notional at the bar's start. A trade is what moves the
-- ratio from where both prices let it drift, not only a new beta.
with
held as (
    select
        positions.symbol,
        positions.timeframe,
        positions.strategy,
        positions.ts,
        positions.hedge_ratio,
        positions.trade,
        bars.r_spot,
        bars.r_fut,
        bars.funding_rate
    from {{ ref('int_positions') }} as positions
    inner join {{ ref('int_merged_bars') }} as bars
        on positions.symbol = bars.symbol
        and positions.timeframe = bars.timeframe
        and positions.ts = bars.ts
    where not positions.is_next_bar
),

-- subtracted from 0, since a unary minus would turn 0 into -0
decomposed as (
    select
        *,
        0 - hedge_ratio * r_fut as r_hedge,
        hedge_ratio * funding_rate as r_funding,
        0 - {{ fee('trade') }} as r_fees,
        0 - {{ slippage('trade') }} as r_slippage
    from held
),

netted as (
    select
        *,
        r_spot + r_hedge + r_funding + r_fees as r_net
    from decomposed
),

compounded as (
    select
        *,
        sum({{ log_growth('r_net') }}) over (
            partition by symbol, timeframe, strategy
            order by ts
            rows between unbounded preceding and current row
        ) as cum_log_return
    from netted
),

peaked as (
    select
        *,
        -- the path starts at 1, whose logarithm is 0
        greatest(0, max(cum_log_return) over (
            partition by symbol, timeframe, strategy
            order by ts
            rows between unbounded preceding and current row
        )) as peak_log_return
    from compounded
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    hedge_ratio,
    trade,
    r_spot,
    r_fut,
    r_hedge,
    r_funding,
    r_fees,
    r_slippage,
    r_net,
    cum_log_return,
    {{ null_if_proxy('exp(cum_log_return - peak_log_return) - 1') }} as drawdown
from peaked
