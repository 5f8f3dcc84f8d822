-- One row per symbol, timeframe and bar that both legs have, with returns and funding,
-- and one row for the bar that has not happened yet (is_next_bar: its own figures are
-- NULL). Without a perp, spot's close stands in for it. In a build of several timeframes
-- the bars of all end together: later ones are left out. Key: symbol, timeframe, ts.
with
pairs as (select * from {{ ref('int_pairs') }}),
prints as (select * from {{ ref('int_funding_prints') }}),

merged as (
    select
        pairs.symbol,
        timeframes.timeframe,
        pairs.end_ts
        - to_milliseconds({{ ms_of_timeframe('timeframes.timeframe') }}) as ts,
        pairs.end_ts,
        pairs.close_spot,
        {{ 'pairs.close_spot' if perp_is_proxy() else 'pairs.close_perp' }} as close_perp,
        false as is_next_bar
    from pairs
    cross join ({{ timeframe_rows() }}) as timeframes
    where
        {{ is_on_grid('pairs.end_ts', ms_of_timeframe('timeframes.timeframe')) }}
        -- a symbol without any print is not evaluated: its funding is not 0 but unknown
        and pairs.symbol in (select prints.symbol from prints)
),

-- the last instant at which bars of every timeframe end
common_ends as (
    select
        symbol,
        max(end_ts) as end_ts
    from merged
    where {{ is_on_grid('end_ts', common_step_ms()) }}
    group by symbol
),

ended_together as (
    select merged.*
    from merged
    left join common_ends on merged.symbol = common_ends.symbol
    where merged.end_ts <= coalesce(common_ends.end_ts, merged.end_ts)
),

next_bars as (
    select
        symbol,
        timeframe,
        max(end_ts) as ts,
        {{ add_ms('max(end_ts)', ms_of_timeframe('timeframe')) }} as end_ts,
        cast(null as double) as close_spot,
        cast(null as double) as close_perp,
        true as is_next_bar
    from ended_together
    group by symbol, timeframe
),

timeline as (
    select * from ended_together
    union all
    select * from next_bars
),

-- what has accrued by the end of each bar
accrued as (
    select
        timeline.*,
        case
            when prints.ts is null then 0
            else
                prints.accrued_before
                + prints.funding_rate
                * least(
                    1.0,
                    1.0 * {{ ms_between('prints.ts', 'timeline.end_ts') }}
                    / prints.accrual_ms
                )
        end as accrued_funding
    from timeline
    {{ asof_left_join(
        'prints', 'prints', key='timeline.symbol', ts='timeline.end_ts', as_of='ts'
    ) }}
),

measured as (
    select
        *,
        lag(end_ts) over by_time as previous_end_ts,
        lag(close_spot) over by_time as previous_close_spot,
        lag(close_perp) over by_time as previous_close_perp,
        accrued_funding - lag(accrued_funding) over by_time as newly_accrued,
        {{ ms_between('lag(end_ts) over by_time', 'end_ts') }} as elapsed_ms,
        row_number() over by_time as row_index
    from accrued
    window by_time as (partition by symbol, timeframe order by ts)
),

returned as (
    select
        *,
        close_spot / previous_close_spot - 1 as r_spot,
        close_perp / previous_close_perp - 1 as r_fut,
        cast(elapsed_ms / {{ ms_of_timeframe('timeframe') }} as integer) as bars_elapsed
    from measured
)

select
    symbol,
    timeframe,
    ts,
    end_ts,
    is_next_bar,
    row_index,
    close_spot,
    {{ 'cast(null as double)' if perp_is_proxy() else 'close_perp' }} as close_perp,
    previous_end_ts,
    previous_close_spot,
    {{ 'cast(null as double)' if perp_is_proxy() else 'previous_close_perp' }}
        as previous_close_perp,
    r_spot,
    r_fut,
    -- a return over a gap counts as a row of a frame, but enters no estimate
    case when bars_elapsed = 1 then r_spot end as usable_r_spot,
    case when bars_elapsed = 1 then r_fut end as usable_r_fut,
    case when not is_next_bar then newly_accrued end as funding_rate,
    bars_elapsed,
    bars_elapsed > 1 as is_gap
from returned
