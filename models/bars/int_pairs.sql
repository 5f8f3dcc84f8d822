-- One row per symbol and instant at which raw bars of both legs close; the two may differ
-- in size. It keeps the pairs that later models need: where a bar of a built timeframe
-- ends, where the closes do not look like one market, and the first and last of a symbol.
-- Without a perp it holds spot's closes alone. Key: symbol, end_ts.
{% set bar_ends = [] -%}
{% for timeframe in fromjson(built_timeframes()) -%}
{% do bar_ends.append('end_ms % ' ~ fromjson(timeframes_ms())[timeframe] ~ ' = 0') -%}
{% endfor -%}
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),

symbols as (
    select
        symbol,
        row_number() over (order by symbol) as series,
        min(raw_step_ms) as shortest_step_ms
    from {{ ref('int_raw_steps') }}
    group by symbol
),

-- at each instant, spot's close has an even place, and the perp's the odd one after it
closes as (
    select
        symbols.series,
        2 * (epoch_ms(raw_bars.ts) + raw_bars.raw_step_ms)
        + case when raw_bars.leg = 'perp' then 1 else 0 end as place_in_time,
        raw_bars.close
    from raw_bars
    inner join symbols on raw_bars.symbol = symbols.symbol
    where {{ is_on_grid('raw_bars.ts', 'raw_bars.raw_step_ms') }}
),

-- The windows below stream in this order: to sort all closes and look one row back takes
-- three quarters of the time of a join and a partitioned window.
ordered as (select * from closes order by series, place_in_time),

neighbours as (
    select
        *,
        lag(series) over () as previous_series,
        lag(place_in_time) over () as previous_place,
        lag(close) over () as previous_close
    from ordered
),

pairs as (
    select
        series,
        place_in_time // 2 as end_ms,
        {{ 'close' if perp_is_proxy() else 'previous_close' }} as close_spot,
        {{ 'cast(null as double)' if perp_is_proxy() else 'close' }} as close_perp
    from neighbours
    where
        case
            -- DuckDB does not promise the order: in another one the build fails
            when
                series < previous_series
                or (series = previous_series and place_in_time <= previous_place)
                then error('int_pairs: closes came out of order')
            {%- if perp_is_proxy() %}
            else true
            {%- else %}
            else
                place_in_time % 2 = 1
                and place_in_time = previous_place + 1
                and series = previous_series
            {%- endif %}
        end
),

measured as (
    select
        *,
        row_number() over () as pair_index,
        coalesce(series <> lag(series) over (), true) as is_first,
        coalesce(series <> lead(series) over (), true) as is_last,
        lag(close_spot) over () as previous_close_spot,
        lag(close_perp) over () as previous_close_perp
    from pairs
),

moved as (
    select
        *,
        (close_perp / close_spot - 1) * 1e4 as basis_bps,
        case
            when not is_first then 1e4 * (close_spot / previous_close_spot - 1)
        end as spot_move_bps,
        case
            when not is_first then 1e4 * (close_perp / previous_close_perp - 1)
        end as perp_move_bps
    from measured
),

judged as (
    select
        *,
        coalesce(
            abs(perp_move_bps - spot_move_bps) > {{ var('max_jump_bps') }}, false
        ) as is_jump,
        coalesce(abs(basis_bps) > {{ var('max_basis_bps') }}, false) as is_wide,
        coalesce(
            greatest(close_perp / close_spot, close_spot / close_perp)
            > {{ var('max_price_ratio') }},
            false
        ) as is_apart,
        coalesce(close_perp = close_spot, false) as is_equal,
        coalesce(spot_move_bps, 0) = 0 as is_still
    from moved
),

kept as (
    select * from judged
    where
        is_first
        or is_last
        or is_jump
        or is_wide
        or is_apart
        or is_equal
        or is_still
        or {{ bar_ends | join(' or ') }}
)

select
    symbols.symbol,
    {{ add_ms(epoch_start(), 'kept.end_ms - symbols.shortest_step_ms') }} as ts,
    {{ add_ms(epoch_start(), 'kept.end_ms') }} as end_ts,
    kept.close_spot,
    kept.close_perp,
    kept.pair_index,
    kept.is_jump,
    kept.is_wide,
    kept.is_apart,
    kept.is_equal,
    kept.is_still,
    -- NULL where nothing reads them
    case when kept.is_jump then kept.spot_move_bps end as spot_move_bps,
    case when kept.is_jump then kept.perp_move_bps end as perp_move_bps
from kept
inner join symbols on kept.series = symbols.series
order by kept.series, kept.end_ms
