-- One row per symbol, timeframe and bar that both legs have, with returns and funding,
-- and one row for the bar that has not happened yet (is_next_bar: its own figures are
-- NULL). Without a perp, spot's close stands in for it. In a build of several timeframes
-- the bars of all end together: later ones are left out. A market is a symbol at a
-- timeframe, by number. Key: market, row_index.
with
pairs as (select * from {{ ref('int_pairs') }}),
prints as (select * from {{ ref('int_funding_prints') }}),

merged as (
    select
        pairs.symbol, timeframes.timeframe, pairs.end_ts
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

markets as (
    select
        symbol,
        timeframe,
        cast(row_number() over (order by symbol, timeframe) as integer) as market
    from next_bars
),

timeline as (
    select * from ended_together
    union all
    select * from next_bars
),

-- what has accrued by the end of each bar
accrued as (
    select
        markets.market,
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
    inner join markets
        on timeline.symbol = markets.symbol
        and timeline.timeframe = markets.timeframe
    {{ asof_left_join(
        'prints', 'prints', key='timeline.symbol', ts='timeline.end_ts', as_of='ts'
    ) }}
),

ordered as (select * from accrued order by market, ts),

numbered as (
    select
        *,
        {{ is_first_of('market') }} as is_first,
        row_number() over () as place,
        {{ in_order('market', 'ts') }} as ts_in_order
    from ordered
),

measured as (
    select
        *,
        last_value(case when is_first then place end ignore nulls) over to_date
            as first_place,
        {{ row_before('end_ts', 'is_first') }} as previous_end_ts,
        {{ row_before('close_spot', 'is_first') }} as previous_close_spot,
        {{ row_before('close_perp', 'is_first') }} as previous_close_perp,
        accrued_funding - {{ row_before('accrued_funding', 'is_first') }} as newly_accrued
    from numbered
    window to_date as (rows unbounded preceding)
),

returned as (
    select
        *,
        cast(1 + place - first_place as integer) as row_index,
        close_spot / previous_close_spot - 1 as r_spot,
        close_perp / previous_close_perp - 1 as r_fut,
        cast(
            {{ ms_between('previous_end_ts', 'end_ts') }}
            / {{ ms_of_timeframe('timeframe') }} as integer
        ) as bars_elapsed
    from measured
)

select
    market,
    symbol,
    timeframe,
    row_index,
    ts_in_order as ts,
    end_ts,
    is_next_bar,
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
