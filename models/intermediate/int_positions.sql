-- One row per symbol, timeframe, strategy and evaluated bar, the next bar included: what
-- is held once the bar's order is done. Between orders the coins are held, so the ratio
-- drifts with both prices. Key: symbol, timeframe, strategy, ts.
with
ratios as (select * from {{ ref('int_hedge_ratios') }}),
samples as (select * from {{ ref('int_samples') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
strategies as (select * from {{ ref('int_strategies') }}),

decisions as (
    select
        ratios.symbol,
        ratios.timeframe,
        ratios.strategy,
        ratios.ts,
        ratios.is_next_bar,
        ratios.hedge_ratio as target,
        -- without a perp, spot stands in for it
        coalesce(bars.previous_close_perp, bars.previous_close_spot)
        / bars.previous_close_spot as price_ratio,
        bars.r_spot,
        bars.r_fut,
        strategies.has_rebalance_rule,
        strategies.rebalance_band as band,
        strategies.rebalance_every,
        strategies.min_trade,
        row_number() over by_time - 1 as bar_index
    from ratios
    inner join samples
        on ratios.symbol = samples.symbol
        and ratios.timeframe = samples.timeframe
        and ratios.ts >= samples.start_ts
    inner join merged_bars as bars
        on ratios.symbol = bars.symbol
        and ratios.timeframe = bars.timeframe
        and ratios.ts = bars.ts
    inner join strategies
        on ratios.timeframe = strategies.timeframe
        and ratios.strategy = strategies.strategy
    window by_time as (
        partition by ratios.symbol, ratios.timeframe, ratios.strategy
        order by ratios.ts
    )
),

due as (
    select
        *,
        -- every 0 bars: only the entry
        bar_index = 0
        or (rebalance_every > 0 and bar_index % nullif(rebalance_every, 0) = 0) as is_due
    from decisions
),

ruled as (select * from due where has_rebalance_rule),

coins as ({{ coins_after_orders('ruled') }}),

walked as (
    select
        due.*,
        coins.coins,
        lag(coins.coins) over by_time as coins_before
    from due
    left join coins
        on due.symbol = coins.symbol
        and due.timeframe = coins.timeframe
        and due.strategy = coins.strategy
        and due.ts = coins.ts
    window by_time as (
        partition by due.symbol, due.timeframe, due.strategy
        order by due.ts
    )
),

drifted as (
    select
        *,
        coalesce(
            case
                when has_rebalance_rule then coins_before * price_ratio
                else {{ drifted_ratio(
                    'lag(target) over by_time',
                    'lag(r_fut) over by_time',
                    'lag(r_spot) over by_time'
                ) }}
            end,
            0
        ) as hedge_ratio_before
    from walked
    window by_time as (partition by symbol, timeframe, strategy order by ts)
),

held as (
    select
        *,
        case when coins = coins_before then hedge_ratio_before else target end
            as hedge_ratio
    from drifted
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    is_next_bar,
    target,
    hedge_ratio_before,
    hedge_ratio,
    hedge_ratio - hedge_ratio_before as trade,
    case
        when hedge_ratio <> hedge_ratio_before then null
        when target = hedge_ratio_before then 'at target'
        when not is_due then 'not due'
        when abs(target - hedge_ratio_before) <= band then 'within band'
        else 'below min_trade'
    end as hold_reason
from held
