-- How much collateral, and when has funding repaid the entry?
--
-- collateral is the deepest price loss of the short for the coins held, as a fraction
-- of their value at the start, and needed_ts the end of the bar that reached it.
-- repaid_days is the time until the funding received first added up to the cost of the
-- entry.
-- Caveats: closes only, so the lows within bars were deeper; an exchange asks for
-- maintenance margin on top; funding and fees are left out of collateral. repaid_days
-- is the first time: funding may fall below it again. NULL: never, or nothing to
-- repay.
with
money as (
    select
        returns.symbol,
        returns.timeframe,
        returns.strategy,
        returns.ts,
        bars.end_ts,
        first_value(bars.previous_end_ts) over by_time as start_ts,
        0 - first_value(returns.r_fees) over by_time as entry_cost,
        sum(bars.previous_close_spot * returns.r_hedge) over by_time
        / first_value(bars.previous_close_spot) over by_time as perp_pnl,
        sum(bars.previous_close_spot * returns.r_funding) over by_time
        / first_value(bars.previous_close_spot) over by_time as funding
    from returns_decomposed as returns
    inner join int_merged_bars as bars
        on returns.symbol = bars.symbol
        and returns.timeframe = bars.timeframe
        and returns.ts = bars.ts
    window by_time as (
        partition by returns.symbol, returns.timeframe, returns.strategy
        order by returns.ts
        rows between unbounded preceding and current row
    )
),

ranked as (
    select
        *,
        row_number() over (
            partition by symbol, timeframe, strategy
            order by perp_pnl, ts
        ) as depth
    from money
),

totals as (
    select
        symbol,
        timeframe,
        strategy,
        min(start_ts) as start_ts,
        max(case when depth = 1 and perp_pnl < 0 then 0 - perp_pnl else 0 end)
            as collateral,
        max(case when depth = 1 and perp_pnl < 0 then end_ts end) as needed_ts,
        max(entry_cost) as entry_cost,
        min(case when entry_cost > 0 and funding >= entry_cost then end_ts end)
            as repaid_ts
    from ranked
    group by symbol, timeframe, strategy
)

select
    symbol,
    timeframe,
    strategy,
    round(collateral, 6) as collateral,
    needed_ts,
    round(entry_cost, 6) as entry_cost,
    round(extract(epoch from repaid_ts - start_ts) / 86400, 2) as repaid_days
from totals
order by symbol, timeframe, strategy;
