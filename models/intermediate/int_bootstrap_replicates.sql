-- One row per symbol, timeframe, strategy and replicate: mean and variances of as many
-- bars as the sample has, drawn in blocks that run on from the last bar to the first
-- (circular block bootstrap, Politis & Romano 1992). All strategies take the same blocks,
-- so differences are paired. Replicate 0 is the sample itself, and the only one of a
-- sample that holds too few blocks. Key: symbol, timeframe, strategy, replicate.
{% set summed = {
    'net': 'net', 'spot': 'spot', 'net_squares': 'net * net', 'spot_squares': 'spot * spot',
} %}

with
returns as (select * from {{ ref('returns_decomposed') }}),

series as (
    select
        symbol,
        timeframe,
        strategy,
        count(*) as bars,
        {{ block_bars('timeframe') }} as block_bars,
        cast(ceil(1.0 * count(*) / {{ block_bars('timeframe') }}) as bigint)
            as blocks_drawn,
        avg(r_net) as mean_net,
        avg(r_spot) as mean_spot,
        var_samp(r_net) as var_net,
        var_samp(r_spot) as var_spot
    from returns
    group by symbol, timeframe, strategy
),

-- around the mean, or variances would drown in the rounding of sums
centred as (
    select
        series.symbol,
        series.timeframe,
        series.strategy,
        series.bars,
        series.block_bars,
        -- so that a replicate has as many bars as the sample
        series.bars - (series.blocks_drawn - 1) * series.block_bars as last_block_bars,
        row_number() over (
            partition by returns.symbol, returns.timeframe, returns.strategy
            order by returns.ts
        ) as place,
        returns.r_net - series.mean_net as net,
        returns.r_spot - series.mean_spot as spot
    from returns
    inner join series
        on returns.symbol = series.symbol
        and returns.timeframe = series.timeframe
        and returns.strategy = series.strategy
    where series.bars >= {{ least_blocks() }} * series.block_bars
),

circular as (
    select * from centred
    union all
    select * replace (place + bars as place)
    from centred
    where place <= block_bars
),

prefix_sums as (
    select
        symbol,
        timeframe,
        strategy,
        bars,
        block_bars,
        last_block_bars,
        place,
        {%- for name, value in summed.items() %}
        coalesce(sum({{ value }}) over places_before, 0) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from circular
    window places_before as (
        partition by symbol, timeframe, strategy
        order by place
        rows between unbounded preceding and 1 preceding
    )
),

-- what the block that starts at a place sums up to, whole or as the last of a replicate
block_sums as (
    select
        symbol,
        timeframe,
        strategy,
        place,
        place <= bars as is_start,
        {%- for name in summed %}
        {{ rows_later(name, 'block_bars', 'by_place') }} - {{ name }} as {{ name }},
        {{ rows_later(name, 'last_block_bars', 'by_place') }} - {{ name }}
            as last_{{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from prefix_sums
    window by_place as (partition by symbol, timeframe, strategy order by place)
),

samples as (
    select
        symbol,
        timeframe,
        bars,
        blocks_drawn
    from series
    where bars >= {{ least_blocks() }} * block_bars
    group by symbol, timeframe, bars, blocks_drawn
),

replicates as (
    select {{ whole_numbers(var('bootstrap_replicates')) }} as replicate
),

blocks as (
    select {{ whole_numbers('max(blocks_drawn)') }} as block
    from samples
),

uniforms as (
    select
        replicates.replicate,
        blocks.block,
        {{ uniform_from(
            "'" ~ var('bootstrap_seed') ~ ":' || replicates.replicate || ':' || blocks.block"
        ) }} as uniform
    from replicates
    cross join blocks
),

starts as (
    select
        samples.symbol,
        samples.timeframe,
        uniforms.replicate,
        cast(floor(uniforms.uniform * samples.bars) as bigint) + 1 as place,
        uniforms.block = samples.blocks_drawn as is_last
    from samples
    inner join uniforms on uniforms.block <= samples.blocks_drawn
),

resampled as (
    select
        starts.symbol,
        starts.timeframe,
        block_sums.strategy,
        starts.replicate,
        {%- for name in summed %}
        sum(
            case
                when starts.is_last then block_sums.last_{{ name }}
                else block_sums.{{ name }}
            end
        ) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from starts
    inner join block_sums
        on starts.symbol = block_sums.symbol
        and starts.timeframe = block_sums.timeframe
        and starts.place = block_sums.place
        and block_sums.is_start
    group by starts.symbol, starts.timeframe, block_sums.strategy, starts.replicate
),

replicated as (
    select
        symbol,
        timeframe,
        strategy,
        0 as replicate,
        1.0 * bars / block_bars as blocks,
        mean_net,
        var_net,
        var_spot
    from series
    union all
    select
        resampled.symbol,
        resampled.timeframe,
        resampled.strategy,
        resampled.replicate,
        1.0 * series.bars / series.block_bars as blocks,
        series.mean_net + resampled.net / series.bars as mean_net,
        {%- for name in ['net', 'spot'] %}
        -- rounding could bring it below 0
        greatest(
            0,
            resampled.{{ name }}_squares
            - resampled.{{ name }} * resampled.{{ name }} / series.bars
        ) / (series.bars - 1) as var_{{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from resampled
    inner join series
        on resampled.symbol = series.symbol
        and resampled.timeframe = series.timeframe
        and resampled.strategy = series.strategy
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
