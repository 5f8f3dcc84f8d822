-- One row per line and bar of the sample, and the first bars of a block once more behind
-- the last: sums to date over all lines so far of the deviations from the line's mean and
-- of their squares, and what the block that ends at the bar sums up to, in fixed numbers.
-- A line is a series' net return, or under minus the market's number spot's own.
-- Key: line, place.
with
series as (select * from {{ ref('int_series') }}),
samples as (select * from {{ ref('int_samples') }} where evaluated_bars > 0),
moments as (select * from {{ ref('int_moments') }}),
positions as (select * from {{ ref('int_positions') }} where r_net is not null),
merged_bars as (select * from {{ ref('int_merged_bars') }} where not is_next_bar),

spot_means as (
    select distinct
        series.market,
        moments.mean_spot
    from moments
    inner join series on moments.series = series.series
),

deviations as (
    select
        series.series as line,
        series.timeframe,
        moments.bars,
        positions.row_index - series.start_row + 1 as place,
        positions.r_net - moments.mean_net as deviation
    from positions
    inner join series on positions.series = series.series
    inner join moments on positions.series = moments.series
    union all
    select
        -samples.market as line,
        samples.timeframe,
        samples.evaluated_bars as bars,
        merged_bars.row_index - samples.start_row + 1 as place,
        merged_bars.r_spot - spot_means.mean_spot as deviation
    from merged_bars
    inner join samples
        on merged_bars.market = samples.market
        and merged_bars.row_index >= samples.start_row
    inner join spot_means on samples.market = spot_means.market
),

circular as (
    select
        line, timeframe, bars, place,
        {{ fixed('deviation') }} as deviation,
        {{ fixed('deviation * deviation') }} as square
    from deviations
    union all
    select
        line, timeframe, bars,
        place + bars as place,
        {{ fixed('deviation') }} as deviation,
        {{ fixed('deviation * deviation') }} as square
    from deviations
    where place <= {{ block_bars('timeframe') }}
),

ordered as (select * from circular order by line, place),

summed as (
    select
        *,
        {{ in_order('line', 'place') }} as place_in_order,
        sum(deviation) over to_date as total,
        sum(square) over to_date as squares
    from ordered
    window to_date as (rows unbounded preceding)
)

select
    line,
    timeframe,
    bars,
    place_in_order as place,
    deviation,
    total,
    squares,
    total - {{ lag_of_block('total', 0) }} as block_total,
    squares - {{ lag_of_block('squares', 0) }} as block_squares
from summed
