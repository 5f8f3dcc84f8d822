-- One row per symbol, timeframe and order of the selected strategy: what a desk would
-- have sent at each decision, what it knew then, and what the bar brought. Nothing is
-- sent. The last row is the order for the bar that has not happened yet: its outcome is
-- NULL, and data_age_hours says how old the last close was when this was built.
with
strategies as (select * from {{ ref('int_strategies') }}),
hedge_ratios as (select * from {{ ref('int_hedge_ratios') }}),
samples as (select * from {{ ref('int_samples') }}),
returns as (select * from {{ ref('returns_decomposed') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
incidents as (select * from {{ ref('data_incidents') }}),

orders as (
    select
        hedge_ratios.symbol,
        hedge_ratios.timeframe,
        hedge_ratios.strategy,
        bars.end_ts,
        bars.is_next_bar,
        row_number() over by_time as seq,
        bars.previous_end_ts as decision_ts,
        bars.previous_close_spot as price_spot,
        bars.previous_close_perp as price_perp,
        coalesce(
            {{ drifted_ratio(
                'lag(hedge_ratios.hedge_ratio) over by_time',
                'lag(bars.r_fut) over by_time',
                'lag(bars.r_spot) over by_time'
            ) }},
            0
        ) as hedge_ratio_before,
        hedge_ratios.hedge_ratio as hedge_ratio_target,
        hedge_ratios.beta,
        hedge_ratios.realized_vol,
        hedge_ratios.status,
        returns.r_spot,
        returns.r_fut,
        returns.r_hedge,
        returns.r_funding,
        returns.r_fees,
        returns.r_net
    from hedge_ratios
    inner join strategies
        on hedge_ratios.strategy = strategies.strategy
        and strategies.is_selected
    inner join samples
        on hedge_ratios.symbol = samples.symbol
        and hedge_ratios.timeframe = samples.timeframe
        and hedge_ratios.ts >= samples.start_ts
    inner join merged_bars as bars
        on hedge_ratios.symbol = bars.symbol
        and hedge_ratios.timeframe = bars.timeframe
        and hedge_ratios.ts = bars.ts
    left join returns
        on hedge_ratios.symbol = returns.symbol
        and hedge_ratios.timeframe = returns.timeframe
        and hedge_ratios.strategy = returns.strategy
        and hedge_ratios.ts = returns.ts
    window by_time as (
        partition by hedge_ratios.symbol, hedge_ratios.timeframe
        order by hedge_ratios.ts
    )
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
    where incidents.kind <> 'beta_undefined' or incidents.source = orders.strategy
    group by orders.symbol, orders.timeframe, orders.seq
),

sized as (
    select
        *,
        abs(hedge_ratio_target - hedge_ratio_before) as order_notional_frac
    from orders
)

select
    sized.symbol,
    sized.timeframe,
    sized.seq,
    sized.decision_ts,
    sized.strategy,
    sized.price_spot,
    sized.price_perp,
    sized.hedge_ratio_before,
    sized.hedge_ratio_target,
    case
        when sized.hedge_ratio_target > sized.hedge_ratio_before then 'sell'
        when sized.hedge_ratio_target < sized.hedge_ratio_before then 'buy'
        else 'hold'
    end as order_side,
    sized.order_notional_frac,
    sized.order_notional_frac * sized.price_spot / sized.price_perp as order_qty,
    {{ fee('sized.order_notional_frac') }} as est_fee_frac,
    sized.beta,
    sized.realized_vol,
    sized.status,
    touched_orders.incident,
    sized.r_spot,
    sized.r_fut,
    sized.r_hedge,
    sized.r_funding,
    sized.r_fees,
    sized.r_net,
    case
        when sized.is_next_bar
            then {{ ms_between('sized.decision_ts', build_ts()) }} / 3600000.0
    end as data_age_hours
from sized
left join touched_orders
    on sized.symbol = touched_orders.symbol
    and sized.timeframe = touched_orders.timeframe
    and sized.seq = touched_orders.seq
