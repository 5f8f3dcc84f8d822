-- One row per run of raw bars with a fault of their own: copies, no movement, off the
-- grid, or not there.
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),
raw_steps as (select * from {{ ref('int_raw_steps') }}),

stepped_bars as (
    select
        raw_bars.*,
        raw_steps.raw_step_ms,
        {{ add_ms('raw_bars.ts', 'coalesce(raw_steps.raw_step_ms, 0)') }} as end_ts,
        -- a place in time: bars on both sides of a hole are not consecutive
        cast(
            floor(
                1.0 * {{ ms_between(epoch_start(), 'raw_bars.ts') }}
                / raw_steps.raw_step_ms
            ) as bigint
        ) as row_index
    from raw_bars
    inner join raw_steps
        on raw_bars.leg = raw_steps.leg
        and raw_bars.symbol = raw_steps.symbol
),

-- bars with something to say, each with its place in its series, to be joined into runs
flagged_bars as (
    select
        symbol,
        leg as source,
        case when is_conflicting then 'conflicting_bars' else 'duplicate_bars' end
            as kind,
        case when is_conflicting then 'warn' else 'info' end as severity,
        ts,
        end_ts,
        row_index,
        copies - 1 as affected
    from stepped_bars
    where copies > 1
    union all
    select
        symbol,
        leg,
        'flat_bars',
        'info',
        ts,
        end_ts,
        row_index,
        1
    from stepped_bars
    where volume = 0 and high = low
    union all
    select
        symbol,
        leg,
        'unaligned_bars',
        'warn',
        ts,
        end_ts,
        row_index,
        1
    from stepped_bars
    where not {{ is_on_grid('ts', 'raw_step_ms') }}
),

numbered as (
    select
        *,
        {{ run_of('row_index', 'symbol, source, kind') }} as run
    from flagged_bars
),

runs as (
    select
        symbol,
        source,
        kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        sum(affected) as affected,
        severity,
        case kind
            when 'conflicting_bars'
                then ' rows with the time of another row but other values: the last row'
                || ' of the last file was kept'
            when 'duplicate_bars' then ' exact copies of other rows were dropped'
            when 'flat_bars'
                then ' raw bars with zero volume and no movement: the exchange may have'
                || ' halted'
            when 'unaligned_bars'
                then ' raw bars off the grid of their step were left out'
        end as detail
    from numbered
    group by symbol, source, kind, severity, run
),

missing_bars as (
    select
        symbol,
        leg as source,
        'missing_bars' as kind,
        {{ add_ms('previous_ts', 'raw_step_ms') }} as ts,
        ts as ts_end,
        cast(round(1.0 * {{ ms_between('previous_ts', 'ts') }} / raw_step_ms) as bigint)
            - 1
            as affected,
        'warn' as severity,
        ' raw bars are not there: a halt, or a hole in the file' as detail
    from stepped_bars
    -- a bar that is a little late is no hole
    where {{ ms_between('previous_ts', 'ts') }} >= 1.5 * raw_step_ms
),

incidents as (
    select * from runs
    union all
    select * from missing_bars
)

select
    symbol,
    source,
    kind,
    ts,
    ts_end,
    affected,
    severity,
    detail
from incidents
