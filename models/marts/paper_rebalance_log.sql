-- One row per symbol, timeframe and order of the selected strategy: what a desk would
-- have sent at each decision, what it knew then, and what the bar brought. Nothing is
-- sent. The last row is the order for the bar that has not happened yet: its outcome is
-- NULL, and data_age_hours says how old the last close was when this was built.
with
strategies as (select * from {{ ref('int_strategies') }}),
hedge_ratios as (select * from {{ ref('int_hedge_ratios') }}),
positions as (select * from {{ ref('int_positions') }}),
returns as (select * from {{ ref('returns_decomposed') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
incidents as (select * from {{ ref('data_incidents') }}),

orders as (
    select
        positions.symbol,
        positions.timeframe,
        positions.strategy,
        bars.end_ts,
        positions.is_next_bar,
        row_number() over (
            partition by positions.symbol, positions.timeframe
            order by positions.ts
        ) as seq,
        bars.previous_end_ts as decision_ts,
        bars.previous_close_spot as price_spot,
        bars.previous_close_perp as price_perp,
        positions.hedge_ratio_before,
        positions.hedge_ratio as hedge_ratio_target,
        abs(positions.trade) as order_notional_frac,
        positions.hold_reason,
        hedge_ratios.beta,
        hedge_ratios.realized_vol,
        hedge_ratios.status,
        returns.r_spot,
        returns.r_fut,
        returns.r_hedge,
        returns.r_funding,
        returns.r_fees,
        returns.r_net
    from positions
    inner join strategies
        on positions.timeframe = strategies.timeframe
        and positions.strategy = strategies.strategy
        and strategies.is_selected
    inner join hedge_ratios
        on positions.symbol = hedge_ratios.symbol
        and positions.timeframe = hedge_ratios.timeframe
        and positions.strategy = hedge_ratios.strategy
        and positions.ts = hedge_ratios.ts
    inner join merged_bars as bars
        on positions.symbol = bars.symbol
        and positions.timeframe = bars.timeframe
        and positions.ts = bars.ts
    left join returns
        on positions.symbol = returns.symbol
        and positions.timeframe = returns.timeframe
        and positions.strategy = returns.strategy
        and positions.ts = returns.ts
),

-- the kinds of incident that lie within an order's bar, or in a gap before it
touched_orders as (
    select
        orders.symbol,
        orders.timeframe,
        orders.seq,
        {{ joined_text('incidents.kind') }} as incident
    from orders
    inner join incidents
        on orders.symbol = incidents.symbol
        and orders.end_ts > incidents.ts
        and (orders.decision_ts < incidents.ts_end or orders.decision_ts <= incidents.ts)
    -- another strategy's undefined beta is no matter of this log
    where
        incidents.kind <> 'beta_undefined'
        or incidents.source = {{ ratio_source('orders.strategy', 'orders.timeframe') }}
    group by orders.symbol, orders.timeframe, orders.seq
)

select
    orders.symbol,
    orders.timeframe,
    orders.seq,
    orders.decision_ts,
    orders.strategy,
    orders.price_spot,
    orders.price_perp,
    orders.hedge_ratio_before,
    orders.hedge_ratio_target,
    case
        when orders.hedge_ratio_target > orders.hedge_ratio_before then 'sell'
        when orders.hedge_ratio_target < orders.hedge_ratio_before then 'buy'
        else 'hold'
    end as order_side,
    orders.hold_reason,
    orders.order_notional_frac,
    orders.order_notional_frac * orders.price_spot / orders.price_perp as order_qty,
    {{ fee('orders.order_notional_frac') }} as est_fee_frac,
    orders.beta,
    orders.realized_vol,
    orders.status,
    touched_orders.incident,
    orders.r_spot,
    orders.r_fut,
    orders.r_hedge,
    orders.r_funding,
    orders.r_fees,
    orders.r_net,
    case
        when orders.is_next_bar
            then {{ ms_between('orders.decision_ts', build_ts()) }} / 3600000.0
    end as data_age_hours
from orders
left join touched_orders
    on orders.symbol = touched_orders.symbol
    and orders.timeframe = touched_orders.timeframe
    and orders.seq = touched_orders.seq
