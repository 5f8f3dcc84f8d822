-- One row per symbol, timeframe, strategy and evaluated bar: the hedged return and its
-- parts, as fractions of the spot notional at the bar's start. A trade is what moves the
-- ratio from where both prices let it drift, not only a new beta.
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
    drawdown
from {{ ref('int_returns') }}
