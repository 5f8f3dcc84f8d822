-- One row per series and replicate: mean and variances of as many bars as the sample
-- has, drawn in blocks that run on from the last bar to the first (circular block
-- bootstrap, Politis & Romano 1992). All strategies take the same blocks, so differences
-- are paired. Replicate 0 is the sample itself, and the only one of a sample that holds
-- too few blocks. Key: series, replicate.
with
series as (select * from {{ ref('int_series') }}),
samples as (select * from {{ ref('int_samples') }}),
moments as (select * from {{ ref('int_moments') }}),
running_sums as (select * from {{ ref('int_running_sums') }}),

-- a block before the first bar is one after the last
started as (
    select
        *,
        case when place = 1 then bars + 1 else place end as start_place
    from {{ ref('int_block_draws') }}
),

-- where a sum to date is looked up: a whole block at its last bar, the last block of a
-- replicate, which is shorter, at its last bar and before its first
lookups as (
    select
        timeframe, bars, replicate,
        start_place + block_bars - 1 as place,
        true as is_block,
        1 as weight
    from started
    where not is_last
    union all
    select
        timeframe, bars, replicate,
        start_place + last_block_bars - 1 as place,
        false as is_block,
        1 as weight
    from started
    where is_last
    union all
    select
        timeframe, bars, replicate,
        start_place - 1 as place,
        false as is_block,
        -1 as weight
    from started
    where is_last
),

resampled as (
    select
        running_sums.line,
        lookups.replicate,
        sum(
            case
                when lookups.is_block then running_sums.block_total
                else lookups.weight * running_sums.total
            end
        ) as total,
        sum(
            case
                when lookups.is_block then running_sums.block_squares
                else lookups.weight * running_sums.squares
            end
        ) as squares
    from running_sums
    inner join lookups
        on running_sums.timeframe = lookups.timeframe
        and running_sums.bars = lookups.bars
        and running_sums.place = lookups.place
    group by running_sums.line, lookups.replicate
),

lines as (
    select
        series.series as line,
        series.series,
        series.market,
        false as is_spot,
        moments.bars,
        moments.mean_net as mean,
        moments.var_net as variance
    from moments
    inner join series on moments.series = series.series
    union all
    select
        -series.market as line,
        series.series,
        series.market,
        true as is_spot,
        moments.bars,
        moments.mean_spot as mean,
        moments.var_r_spot as variance
    from moments
    inner join series on moments.series = series.series
),

replicates as (
    select
        series,
        is_spot,
        0 as replicate,
        mean,
        variance
    from lines
    union all
    select
        lines.series, lines.is_spot, resampled.replicate,
        lines.mean + {{ from_fixed('resampled.total') }} / lines.bars as mean,
        -- rounding could bring it below 0
        greatest(
            0,
            {{ from_fixed('resampled.squares') }}
            - power({{ from_fixed('resampled.total') }}, 2) / lines.bars
        ) / (lines.bars - 1) as variance
    from resampled
    inner join lines on resampled.line = lines.line
)

select
    series.series,
    net.replicate,
    1.0 * samples.evaluated_bars / {{ block_bars('series.timeframe') }} as blocks,
    net.mean as mean_net,
    {{ null_if_proxy('net.variance') }} as var_net,
    spot.variance as var_spot
from replicates as net
inner join replicates as spot
    on net.series = spot.series
    and net.replicate = spot.replicate
    and not net.is_spot
    and spot.is_spot
inner join series on net.series = series.series
inner join samples on series.market = samples.market
