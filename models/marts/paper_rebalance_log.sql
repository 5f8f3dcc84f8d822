-- One row per symbol, timeframe and order of the selected strategy: what a desk would
-- have sent at each decision, what it knew then, and what the bar brought. Nothing is
-- sent. The last row is the order for the bar that has not happened yet: its outcome is
-- NULL, and data_age_hours says how old the last close was when this was built.
with
series as (select * from {{ ref('int_series') }} where is_selected),
strategies as (select * from {{ ref('int_strategies') }} where is_selected),
targets as (select * from {{ ref('int_targets') }}),
positions as (select * from {{ ref('int_positions') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
betas as (select * from {{ ref('int_betas') }}),
realized_vols as (select * from {{ ref('int_realized_vols') }}),
samples as (select * from {{ ref('int_samples') }}),
incidents as (select * from {{ ref('data_incidents') }}),

orders as (
    select
        series.symbol, series.timeframe, series.strategy, bars.end_ts,
        bars.is_next_bar,
        cast(positions.row_index - series.start_row + 1 as bigint) as seq,
        bars.previous_end_ts as decision_ts,
        bars.previous_close_spot as price_spot,
        bars.previous_close_perp as price_perp,
        positions.hedge_ratio - positions.trade as hedge_ratio_before,
        positions.hedge_ratio as hedge_ratio_target,
        positions.trade,
        {{ hold_reason(
            'positions.trade', 'positions.hedge_ratio', 'targets.hedge_ratio',
            is_due('positions.row_index - series.start_row', 'series.rebalance_every'),
            'series.rebalance_band'
        ) }} as hold_reason,
        {{ target_beta('strategies.estimator', 'samples.beta_static', 'betas.beta') }}
            as beta,
        realized_vols.realized_vol,
        case when targets.is_held then 'held' else 'ok' end as status,
        bars.r_spot,
        bars.r_fut,
        0 - positions.hedge_ratio * bars.r_fut as r_hedge,
        positions.hedge_ratio * bars.funding_rate as r_funding,
        case
            when not bars.is_next_bar then 0 - {{ fee('positions.trade') }}
        end as r_fees,
        positions.r_net
    from series
    inner join strategies on series.timeframe = strategies.timeframe
    inner join samples on series.market = samples.market
    inner join positions on series.series = positions.series
    inner join merged_bars as bars
        on series.market = bars.market
        and positions.row_index = bars.row_index
    inner join targets
        on series.market = targets.market
        and series.target = targets.target
        and positions.row_index = targets.row_index
    left join betas
        on series.market = betas.market
        and positions.row_index = betas.row_index
        and strategies.estimator = betas.estimator
        and strategies.beta_window = betas.beta_window
        and strategies.halflife = betas.halflife
    left join realized_vols
        on series.market = realized_vols.market
        and positions.row_index = realized_vols.row_index
        and strategies.vol_window = realized_vols.vol_window
),

-- the kinds of incident that lie within an order's bar, or in a gap before it
touched_orders as (
    select
        orders.symbol, orders.timeframe, orders.seq,
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
        when orders.trade > 0 then 'sell'
        when orders.trade < 0 then 'buy'
        else 'hold'
    end as order_side,
    orders.hold_reason,
    abs(orders.trade) as order_notional_frac,
    abs(orders.trade) * orders.price_spot / orders.price_perp as order_qty,
    {{ fee('orders.trade') }} as est_fee_frac,
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
