-- Counted here in coins: perp coins per spot coin before and after.
with
positions as (
    select
        *,
        hedge_ratio_target * price_spot / price_perp as coins_after,
        lag(hedge_ratio_target * price_spot / price_perp) over (
            partition by symbol, timeframe order by seq
        ) as coins_before
    from {{ ref('paper_rebalance_log') }}
)

select
    symbol,
    timeframe,
    seq,
    coins_before,
    coins_after,
    order_qty,
    order_notional_frac,
    est_fee_frac,
    r_fees
from positions
where
    -- 1e-9 of the position leaves room for rounding only
    not (
        abs(abs(coins_after - coalesce(coins_before, 0)) - order_qty)
        <= 1e-9 * abs(coins_after)
    )
    or not (est_fee_frac >= 0)
    or not (coalesce(abs(r_fees + est_fee_frac), 0) < 1e-12)
