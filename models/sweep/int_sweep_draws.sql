-- One row per market whose sweep's sample holds enough blocks: for each replicate, the
-- first places of its blocks, those of the panel where it has as many bars. Key: market.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
replicates as (
    select
        timeframe, bars, replicate,
        list(place order by is_last, place) as places
    from {{ ref('int_block_draws') }}
    group by timeframe, bars, replicate
),

drawn as (
    select
        timeframe,
        bars,
        list(places order by replicate) as places
    from replicates
    group by timeframe, bars
)

select
    samples.market,
    drawn.places
from {{ ref('int_sweep_samples') }} as samples
inner join drawn
    on samples.timeframe = drawn.timeframe
    and samples.evaluated_bars = drawn.bars
