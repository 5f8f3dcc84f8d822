-- One row per symbol, timeframe, strategy and replicate: mean and variances of as many
-- bars as the sample has, drawn in blocks that run on from the last bar to the first
-- (circular block bootstrap, Politis & Romano 1992). All strategies take the same blocks,
-- so differences are paired. Replicate 0 is the sample itself, and the only one of a
-- sample that holds too few blocks. Key: symbol, timeframe, strategy, replicate.
{% set sums = ['total', 'squares'] %}

with
series as (
    select
        symbol,
        timeframe,
        strategy,
        bars,
        mean,
        variance,
        {{ block_bars('timeframe') }} as block_bars,
        cast(ceil(1.0 * bars / {{ block_bars('timeframe') }}) as bigint)
            as blocks_drawn
    from {{ ref('int_prefix_sums') }}
    where place = 1
),

prefix_sums as (
    select
        sums.symbol,
        sums.timeframe,
        sums.strategy,
        sums.place,
        sums.total,
        sums.squares,
        series.bars,
        series.block_bars,
        -- so that a replicate has as many bars as the sample
        series.bars - (series.blocks_drawn - 1) * series.block_bars as last_block_bars,
        (series.bars - 1) * series.variance as all_squares
    from {{ ref('int_prefix_sums') }} as sums
    inner join series
        on sums.symbol = series.symbol
        and sums.timeframe = series.timeframe
        and sums.strategy = series.strategy
    where series.bars >= {{ least_blocks() }} * series.block_bars
),

-- after the last bar comes the first again; deviations sum up to 0
circular as (
    select
        symbol, timeframe, strategy, bars, block_bars, last_block_bars,
        place, total, squares
    from prefix_sums
    union all
    select
        symbol, timeframe, strategy, bars, block_bars, last_block_bars,
        place + bars as place, total, squares + all_squares as squares
    from prefix_sums
    where place <= block_bars
),

-- what the block that starts at a place sums up to, whole or as the last of a replicate
block_sums as (
    select
        symbol,
        timeframe,
        strategy,
        place,
        {%- for name in sums %}
        {{ rows_later(name, 'block_bars', 'by_place') }} - {{ name }} as {{ name }},
        {{ rows_later(name, 'last_block_bars', 'by_place') }} - {{ name }}
            as last_{{ name }},
        {%- endfor %}
        place <= bars as is_start
    from circular
    window by_place as (partition by symbol, timeframe, strategy order by place)
),

samples as (
    select
        symbol,
        timeframe,
        bars,
        blocks_drawn
    from series
    where strategy = {{ spot_series() }} and bars >= {{ least_blocks() }} * block_bars
),

starts as ({{ drawn_blocks('samples') }}),

resampled as (
    select
        starts.symbol,
        starts.timeframe,
        block_sums.strategy,
        {%- for name in sums %}
        sum(
            case
                when starts.is_last then block_sums.last_{{ name }}
                else block_sums.{{ name }}
            end
        ) as {{ name }},
        {%- endfor %}
        starts.replicate
    from starts
    inner join block_sums
        on starts.symbol = block_sums.symbol
        and starts.timeframe = block_sums.timeframe
        and starts.place = block_sums.place
        and block_sums.is_start
    group by starts.symbol, starts.timeframe, block_sums.strategy, starts.replicate
),

moments as (
    select
        symbol,
        timeframe,
        strategy,
        0 as replicate,
        1.0 * bars / block_bars as blocks,
        mean,
        variance
    from series
    union all
    select
        resampled.symbol,
        resampled.timeframe,
        resampled.strategy,
        resampled.replicate,
        1.0 * series.bars / series.block_bars as blocks,
        series.mean + resampled.total / series.bars as mean,
        -- rounding could bring it below 0
        greatest(
            0, resampled.squares - resampled.total * resampled.total / series.bars
        ) / (series.bars - 1) as variance
    from resampled
    inner join series
        on resampled.symbol = series.symbol
        and resampled.timeframe = series.timeframe
        and resampled.strategy = series.strategy
),

spot_moments as (
    select symbol, timeframe, replicate, variance
    from moments
    where strategy = {{ spot_series() }}
),

replicated as (
    select
        moments.symbol,
        moments.timeframe,
        moments.strategy,
        moments.replicate,
        moments.blocks,
        moments.mean as mean_net,
        moments.variance as var_net,
        spot_moments.variance as var_spot
    from moments
    inner join spot_moments
        on moments.symbol = spot_moments.symbol
        and moments.timeframe = spot_moments.timeframe
        and moments.replicate = spot_moments.replicate
    where moments.strategy <> {{ spot_series() }}
)

select
    symbol,
    timeframe,
    strategy,
    replicate,
    blocks,
    mean_net,
    {{ null_if_proxy('var_net') }} as var_net,
    var_spot
from replicated
