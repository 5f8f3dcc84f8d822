-- What if the hedge had been entered in another month?
--
-- A row per month: spot bought and as much perp sold at the close before its first
-- bar, one entry paid, nothing traded since (naive_hold). basis is what the two legs
-- moved apart, all as fractions of the spot value at that entry; pnl_frac is the sum
-- less the cost.
-- Caveats: the exit is not paid; the ends are the same, so the rows overlap and are
-- far from independent; pnl_per_year of the last months is little time made a year.
-- Without a perp there is no basis: funding is counted on spot's price.
with
timeline as (
    select
        bars.symbol,
        bars.timeframe,
        bars.ts,
        bars.previous_end_ts as entry_ts,
        last_value(bars.end_ts) over to_end as end_ts,
        bars.previous_close_spot as entry_spot,
        coalesce(bars.previous_close_perp, bars.previous_close_spot) as entry_perp,
        last_value(bars.close_spot) over to_end as end_spot,
        last_value(coalesce(bars.close_perp, bars.close_spot)) over to_end as end_perp,
        bars.close_perp is not null as has_perp,
        sum(
            coalesce(bars.previous_close_perp, bars.previous_close_spot)
            * bars.funding_rate
        ) over to_end as funding_per_coin,
        row_number() over (
            partition by bars.symbol, bars.timeframe, date_trunc('month', bars.ts)
            order by bars.ts
        ) as bar_of_month
    from int_merged_bars as bars
    inner join int_samples as samples
        on bars.symbol = samples.symbol
        and bars.timeframe = samples.timeframe
        and bars.ts between samples.start_ts and samples.end_ts
    window to_end as (
        partition by bars.symbol, bars.timeframe
        order by bars.ts
        rows between current row and unbounded following
    )
),

costs as (
    select
        symbol,
        timeframe,
        max(0 - fees / turnover) as cost
    from hedge_metrics
    where turnover > 0
    group by symbol, timeframe
),

entries as (
    select
        timeline.symbol,
        timeline.timeframe,
        timeline.entry_ts,
        extract(epoch from timeline.end_ts - timeline.entry_ts) / 86400 as days,
        timeline.has_perp,
        timeline.end_spot / timeline.entry_spot
        - timeline.end_perp / timeline.entry_perp as basis,
        timeline.funding_per_coin / timeline.entry_perp as funding,
        costs.cost
    from timeline
    inner join costs
        on timeline.symbol = costs.symbol
        and timeline.timeframe = costs.timeframe
    where timeline.bar_of_month = 1
)

select
    symbol,
    timeframe,
    entry_ts,
    round(days, 1) as days,
    case when has_perp then round(basis, 6) end as basis,
    round(funding, 6) as funding,
    round(cost, 6) as cost,
    round(basis + funding - cost, 6) as pnl_frac,
    round((basis + funding - cost) * 365 / days, 4) as pnl_per_year
from entries
order by symbol, timeframe, entry_ts;
