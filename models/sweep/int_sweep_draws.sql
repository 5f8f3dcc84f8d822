-- One row per symbol and timeframe whose sample holds enough blocks: for each replicate,
-- the first places of its blocks. The draws are those of int_bootstrap_replicates.
-- Key: symbol, timeframe.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
samples as (
    select
        symbol,
        timeframe,
        evaluated_bars as bars,
        cast(ceil(1.0 * evaluated_bars / {{ block_bars('timeframe') }}) as bigint)
            as blocks_drawn
    from {{ ref('int_sweep_samples') }}
    where evaluated_bars >= {{ least_blocks() }} * {{ block_bars('timeframe') }}
),

drawn as ({{ drawn_blocks('samples') }}),

replicates as (
    select
        symbol,
        timeframe,
        replicate,
        list(place order by is_last, place) as places
    from drawn
    group by symbol, timeframe, replicate
)

select
    symbol,
    timeframe,
    list(places order by replicate) as places
from replicates
group by symbol, timeframe
