-- One row per symbol, timeframe, strategy and evaluated bar, the next bar included: what
-- is held once the bar's order is done. Between orders the coins are held, so the ratio
-- drifts with both prices. Key: symbol, timeframe, strategy, ts.
with
ratios as (select * from {{ ref('int_hedge_ratios') }}),
samples as (select * from {{ ref('int_samples') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
strategies as (select * from {{ ref('int_strategies') }}),

-- what all strategies share
bars as (
    select
        merged_bars.symbol,
        merged_bars.timeframe,
        merged_bars.ts,
        -- without a perp, spot stands in for it
        coalesce(merged_bars.previous_close_perp, merged_bars.previous_close_spot)
        / merged_bars.previous_close_spot as price_ratio,
        lag(merged_bars.r_spot) over by_time as previous_r_spot,
        lag(merged_bars.r_fut) over by_time as previous_r_fut,
        row_number() over by_time - 1 as bar_index
    from merged_bars
    inner join samples
        on merged_bars.symbol = samples.symbol
        and merged_bars.timeframe = samples.timeframe
        and merged_bars.ts >= samples.start_ts
    window by_time as (
        partition by merged_bars.symbol, merged_bars.timeframe
        order by merged_bars.ts
    )
),

decisions as (
    select
        ratios.symbol,
        ratios.timeframe,
        ratios.strategy,
        ratios.ts,
        ratios.is_next_bar,
        ratios.hedge_ratio as target,
        bars.price_ratio,
        bars.previous_r_spot,
        bars.previous_r_fut,
        bars.bar_index,
        strategies.has_rebalance_rule,
        strategies.rebalance_band as band,
        strategies.min_trade,
        -- every 0 bars: only the entry
        bars.bar_index = 0
        or (
            strategies.rebalance_every > 0
            and bars.bar_index % nullif(strategies.rebalance_every, 0) = 0
        ) as is_due
    from ratios
    inner join bars
        on ratios.symbol = bars.symbol
        and ratios.timeframe = bars.timeframe
        and ratios.ts = bars.ts
    inner join strategies
        on ratios.timeframe = strategies.timeframe
        and ratios.strategy = strategies.strategy
),

free as (
    select
        *,
        {{ drifted_ratio(
            'lag(target) over by_time', 'previous_r_fut', 'previous_r_spot'
        ) }} as hedge_ratio_before
    from decisions
    where not has_rebalance_rule
    window by_time as (partition by symbol, timeframe, strategy order by ts)
),

ruled as (select * from decisions where has_rebalance_rule),

coins as ({{ coins_after_orders('ruled') }}),

held as (
    select
        symbol,
        timeframe,
        strategy,
        ts,
        is_next_bar,
        is_due,
        band,
        target,
        coalesce(hedge_ratio_before, 0) as hedge_ratio_before,
        target as hedge_ratio
    from free
    union all
    select
        ruled.symbol,
        ruled.timeframe,
        ruled.strategy,
        ruled.ts,
        ruled.is_next_bar,
        ruled.is_due,
        ruled.band,
        ruled.target,
        coins.coins_before * ruled.price_ratio as hedge_ratio_before,
        case
            when coins.coins = coins.coins_before
                then coins.coins_before * ruled.price_ratio
            else ruled.target
        end as hedge_ratio
    from ruled
    inner join coins
        on ruled.symbol = coins.symbol
        and ruled.timeframe = coins.timeframe
        and ruled.strategy = coins.strategy
        and ruled.ts = coins.ts
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
