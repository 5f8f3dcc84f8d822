-- One row per timeframe, number of bars with enough blocks, replicate and block: where
-- the block starts. It hangs on nothing else, so samples of one length draw the same.
-- Key: timeframe, bars, replicate, block.
with
samples as (
    select
        timeframe,
        evaluated_bars as bars
    from {{ ref('int_samples') }}
    {%- if has_sweep() %}
    union
    select
        timeframe,
        evaluated_bars as bars
    from {{ ref('int_sweep_samples') }}
    {%- endif %}
),

sizes as (
    select distinct
        timeframe,
        bars,
        {{ block_bars('timeframe') }} as block_bars,
        cast(ceil(1.0 * bars / {{ block_bars('timeframe') }}) as bigint) as blocks_drawn
    from samples
    where bars >= {{ least_blocks() }} * {{ block_bars('timeframe') }}
),

replicates as (
    select {{ whole_numbers(var('bootstrap_replicates')) }} as replicate
),

blocks as (
    select {{ whole_numbers('max(blocks_drawn)') }} as block
    from sizes
),

uniforms as (
    select
        replicates.replicate,
        blocks.block,
        {{ bootstrap_uniform('replicates.replicate', 'blocks.block') }} as uniform
    from replicates
    cross join blocks
)

select
    sizes.timeframe,
    sizes.bars,
    sizes.block_bars,
    -- so that a replicate has as many bars as the sample
    sizes.bars - (sizes.blocks_drawn - 1) * sizes.block_bars as last_block_bars,
    uniforms.replicate,
    uniforms.block,
    cast(floor(uniforms.uniform * sizes.bars) as bigint) + 1 as place,
    uniforms.block = sizes.blocks_drawn as is_last
from sizes
inner join uniforms on uniforms.block <= sizes.blocks_drawn
