-- One row per symbol, source, kind and start: what is wrong with the market data, or
-- with what follows from it. Consecutive bars are one incident; [ts, ts_end) is its
-- time. Severity `error` means that figures would be wrong: a test fails the build on
-- it.
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),
raw_steps as (select * from {{ ref('int_raw_steps') }}),
prints as (select * from {{ ref('int_funding_prints') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
hedge_ratios as (select * from {{ ref('int_hedge_ratios') }}),
evaluations as (select * from {{ ref('int_samples') }}),
input_files as (select * from {{ ref('int_input_files') }}),
spot_rows as (select * from {{ ref('stg_spot_bars') }}),
perp_rows as (select * from {{ ref('stg_perp_bars') }}),
print_rows as (select * from {{ ref('stg_funding_prints') }}),

stepped_bars as (
    select
        raw_bars.*,
        raw_steps.raw_step_ms,
        {{ add_ms('raw_bars.ts', 'coalesce(raw_steps.raw_step_ms, 0)') }} as end_ts,
        -- a place in time: bars on both sides of a hole are not consecutive
        cast(
            floor(
                1.0 * {{ ms_between(epoch_start(), 'raw_bars.ts') }} / raw_steps.raw_step_ms
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
    union all
    select
        hedge_ratios.symbol,
        hedge_ratios.strategy,
        'beta_undefined',
        'warn',
        merged_bars.ts,
        merged_bars.end_ts,
        merged_bars.row_index,
        1
    from hedge_ratios
    inner join merged_bars
        on hedge_ratios.symbol = merged_bars.symbol
        and hedge_ratios.timeframe = merged_bars.timeframe
        and hedge_ratios.ts = merged_bars.ts
    where hedge_ratios.status = 'held'
),

numbered as (
    select
        *,
        row_index - row_number() over (
            partition by symbol, source, kind order by row_index
        ) as run
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
            when 'beta_undefined'
                then ' bars whose ratio was undefined: the last ratio was held'
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

merged_spans as (
    select
        symbol,
        timeframe,
        {{ ms_of_timeframe('timeframe') }} as timeframe_ms,
        min(end_ts) as start_ts,
        max(end_ts) as end_ts
    from merged_bars
    where not is_next_bar
    group by symbol, timeframe
),

-- from the end of each print's accrual to the next print, and before the first one
uncovered as (
    select
        symbol,
        {{ add_ms('ts', 'accrual_ms') }} as ts,
        lead(ts) over (partition by symbol order by ts) as ts_end
    from prints
    union all
    select
        symbol,
        {{ epoch_start() }} as ts,
        min(ts) as ts_end
    from prints
    group by symbol
),

uncovered_in_sample as (
    select
        merged_spans.symbol,
        merged_spans.timeframe_ms,
        greatest(uncovered.ts, merged_spans.start_ts) as ts,
        least(coalesce(uncovered.ts_end, merged_spans.end_ts), merged_spans.end_ts) as ts_end
    from merged_spans
    inner join uncovered
        on merged_spans.symbol = uncovered.symbol
        and uncovered.ts < merged_spans.end_ts
        and coalesce(uncovered.ts_end, merged_spans.end_ts) > merged_spans.start_ts
),

missing_prints as (
    select
        symbol,
        'funding' as source,
        'missing_print' as kind,
        ts,
        ts_end,
        cast(ceil(1.0 * {{ ms_between('ts', 'ts_end') }} / timeframe_ms) as bigint) as affected,
        'warn' as severity,
        ' bars of time that no funding print covers: it accrued 0' as detail
    from uncovered_in_sample
    where ts < ts_end
),

conflicting_prints as (
    select
        symbol,
        'funding' as source,
        case when is_conflicting then 'conflicting_prints' else 'duplicate_prints' end
            as kind,
        ts,
        ts as ts_end,
        copies - 1 as affected,
        case when is_conflicting then 'warn' else 'info' end as severity,
        case
            when is_conflicting
                then ' prints with the time of another but another rate: the last row of'
                || ' the last file was kept'
            else ' exact copies of a print were dropped'
        end as detail
    from prints
    where copies > 1
),

unusable_inputs as (
    select symbol, 'spot' as leg, ts, source_file, source_row
    from spot_rows
    where not is_usable
    union all
    select symbol, 'perp' as leg, ts, source_file, source_row
    from perp_rows
    where not is_usable
    union all
    select symbol, 'funding' as leg, ts, source_file, source_row
    from print_rows
    where not is_usable
),

unusable_rows as (
    select
        symbol,
        leg as source,
        case when leg = 'funding' then 'unusable_rate' else 'unusable_price' end as kind,
        coalesce(min(ts), {{ epoch_start() }}) as ts,
        coalesce(max(ts), {{ epoch_start() }}) as ts_end,
        count(*) as affected,
        'error' as severity,
        case
            when leg = 'funding' then ' rows have no rate that is finite, or no time'
            else ' rows have a price that is null, not finite or not positive, or no time'
        end
        || ': mend or drop them, the first is row '
        || cast(
            {{ first_by('source_row', row_of('source_file', 'source_row')) }} as varchar
        )
        || ' of ' || min(source_file) as detail
    from unusable_inputs
    group by symbol, leg
),

-- what one leg has before or after the time that both legs have
leg_spans as (
    select
        symbol,
        leg,
        raw_step_ms,
        max(first_ts) over by_symbol as common_start_ts,
        min({{ add_ms('last_ts', 'coalesce(raw_step_ms, 0)') }}) over by_symbol
            as common_end_ts
    from raw_steps
    window by_symbol as (partition by symbol)
),

bars_outside as (
    select
        raw_bars.symbol,
        raw_bars.leg,
        raw_bars.ts,
        leg_spans.raw_step_ms,
        raw_bars.ts < leg_spans.common_start_ts as is_before
    from raw_bars
    inner join leg_spans
        on raw_bars.symbol = leg_spans.symbol
        and raw_bars.leg = leg_spans.leg
        and (
            raw_bars.ts < leg_spans.common_start_ts
            or raw_bars.ts >= leg_spans.common_end_ts
        )
),

spans as (
    select
        symbol,
        leg as source,
        'span_differs' as kind,
        min(ts) as ts,
        {{ add_ms('max(ts)', 'max(coalesce(raw_step_ms, 0))') }} as ts_end,
        count(*) as affected,
        'info' as severity,
        case
            when is_before
                then ' raw bars lie before the other leg begins: they are not in the sample'
            else ' raw bars lie after the other leg ends: they are not in the sample'
        end as detail
    from bars_outside
    group by symbol, leg, is_before
),

not_evaluated as (
    select
        symbol,
        timeframe as source,
        'not_evaluated' as kind,
        merged_spans.start_ts as ts,
        merged_spans.end_ts as ts_end,
        merged_bars as affected,
        'warn' as severity,
        ' bars are too few, or have too many gaps, for a ratio of every strategy' as detail
    from evaluations
    inner join merged_spans using (symbol, timeframe)
    where evaluated_bars = 0
),

absent_legs as (
    select
        symbol,
        {{ joined_text('leg') }} as source,
        'leg_missing' as kind,
        min(first_ts) as ts,
        max(last_ts) as ts_end,
        sum(usable_rows) as affected,
        'warn' as severity,
        ' rows of a symbol that another input does not have: it is not evaluated'
            as detail
    from input_files
    where first_ts is not null
    group by symbol
    having count(distinct leg) < {{ 2 if perp_is_proxy() else 3 }}
),

proxies as (
    select
        symbol,
        'perp' as source,
        'perp_is_proxy' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        ' bars have no perp: spot stands in for it, so that risk cannot be measured'
            as detail
    from merged_bars
    where not is_next_bar and {{ 'true' if perp_is_proxy() else 'false' }}
    group by symbol
),

incidents as (
    select * from runs
    union all
    select * from missing_bars
    union all
    select * from missing_prints
    union all
    select * from not_evaluated
    union all
    select * from conflicting_prints
    union all
    select * from unusable_rows
    union all
    select * from spans
    union all
    select * from absent_legs
    union all
    select * from proxies
)

select
    symbol,
    source,
    kind,
    ts,
    ts_end,
    cast(affected as bigint) as affected,
    severity,
    source || ': ' || cast(affected as varchar) || detail as detail
from incidents
