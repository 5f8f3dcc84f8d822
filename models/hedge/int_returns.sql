-- One row per symbol, timeframe, strategy and evaluated bar: the hedged return, its parts
-- and the paths that it makes. As fractions of the spot notional at the bar's start, and
-- as money for the coins held, in their value before the first evaluated bar.
-- Key: symbol, timeframe, strategy, ts.
with
positions as (select * from {{ ref('int_positions') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
samples as (select * from {{ ref('int_samples') }}),

bars as (
    select
        merged_bars.symbol,
        merged_bars.timeframe,
        merged_bars.ts,
        merged_bars.r_spot,
        merged_bars.r_fut,
        merged_bars.funding_rate,
        merged_bars.previous_close_spot
        / first_value(merged_bars.previous_close_spot) over (
            partition by merged_bars.symbol, merged_bars.timeframe
            order by merged_bars.ts
        ) as notional
    from merged_bars
    inner join samples
        on merged_bars.symbol = samples.symbol
        and merged_bars.timeframe = samples.timeframe
        and merged_bars.ts between samples.start_ts and samples.end_ts
),

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
        bars.funding_rate,
        bars.notional
    from positions
    inner join bars
        on positions.symbol = bars.symbol
        and positions.timeframe = bars.timeframe
        and positions.ts = bars.ts
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

summed as (
    select
        *,
        sum({{ log_growth('r_net') }}) over to_date as cum_log_return,
        1 + sum(notional * r_net) over to_date as wealth,
        sum(notional * r_hedge) over to_date as perp_pnl
    from netted
    window to_date as (
        partition by symbol, timeframe, strategy
        order by ts
        rows between unbounded preceding and current row
    )
),

peaked as (
    select
        *,
        -- paths start at 1, whose logarithm is 0
        greatest(0, {{ highest('cum_log_return') }} over to_date) as peak_log_return,
        greatest(1, {{ highest('wealth') }} over to_date) as peak_wealth
    from summed
    window to_date as (
        partition by symbol, timeframe, strategy
        order by ts
        rows between unbounded preceding and current row
    )
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
    {{ null_if_proxy('exp(cum_log_return - peak_log_return) - 1') }} as drawdown,
    wealth,
    {{ null_if_proxy('wealth / peak_wealth - 1') }} as pnl_drawdown,
    perp_pnl
from peaked
