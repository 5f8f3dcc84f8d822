-- Which hours and weekdays carry the noise between the legs?
--
-- The difference of the legs' returns, r_spot - r_fut, is what a ratio of 1 cannot
-- hedge. noise_bps is its sample deviation among the bars of a slot, in basis points a
-- bar; share is the slot's part of all squared deviations, and times_even that part
-- against its part of the bars: 1 is an even share. Hours are UTC, of the bar's open;
-- weekday 1 is Monday.
-- Caveats: bars over gaps are left out; of long bars few slots remain (a day has one
-- hour). One crash can make an hour: compare with worst_drawdowns(). Without a perp
-- there is nothing to show.
with
differences as (
    select
        bars.symbol,
        bars.timeframe,
        bars.ts,
        bars.r_spot - bars.r_fut as difference,
        bars.r_spot - bars.r_fut
        - avg(bars.r_spot - bars.r_fut) over (partition by bars.symbol, bars.timeframe)
            as deviation
    from prices_merged as bars
    inner join int_samples as samples
        on bars.symbol = samples.symbol
        and bars.timeframe = samples.timeframe
        and bars.ts >= samples.start_ts
    where not bars.is_gap and bars.close_perp is not null
),

slotted as (
    select
        'hour' as slot_kind,
        extract(hour from ts) as slot,
        *
    from differences
    union all
    select
        'weekday' as slot_kind,
        extract(isodow from ts) as slot,
        differences.*
    from differences
),

slots as (
    select
        symbol,
        timeframe,
        slot_kind,
        slot,
        count(*) as bars,
        stddev_samp(difference) as noise,
        sum(deviation * deviation) as squares
    from slotted
    group by symbol, timeframe, slot_kind, slot
),

shares as (
    select
        *,
        squares / nullif(sum(squares) over whole, 0) as share,
        1.0 * bars / sum(bars) over whole as share_of_bars
    from slots
    window whole as (partition by symbol, timeframe, slot_kind)
)

select
    symbol,
    timeframe,
    slot_kind,
    slot,
    bars,
    round(10000 * noise, 3) as noise_bps,
    round(share, 4) as share,
    round(share / share_of_bars, 3) as times_even
from shares
order by symbol asc, timeframe asc, slot_kind asc, times_even desc, slot asc;
