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
input_files as (select * from {{ ref('int_input_files') }}),
spot_rows as (select * from {{ ref('stg_spot_bars') }}),
perp_rows as (select * from {{ ref('stg_perp_bars') }}),
print_rows as (select * from {{ ref('stg_funding_prints') }}),

stepped_bars as (
    select
        raw_bars.*,
        raw_steps.raw_step_ms,
        {{ add_ms('raw_bars.ts', 'coalesce(raw_steps.raw_step_ms, 0)') }} as end_ts,
        row_number() over (
            partition by raw_bars.leg, raw_bars.symbol order by raw_bars.ts
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
        symbol,
        'funding',
        'missing_print',
        'warn',
        ts,
        end_ts,
        row_index,
        1
    from merged_bars
    where uncovered_ms > 0
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
            when 'missing_print'
                then ' bars with time that no funding print covers: it accrued 0'
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
        cast(
            {{ ms_between('previous_ts', 'ts') }} / raw_step_ms as bigint
        ) - 1 as affected,
        'warn' as severity,
        ' raw bars are not there: a halt, or a hole in the file' as detail
    from stepped_bars
    where {{ ms_between('previous_ts', 'ts') }} > raw_step_ms
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
        first_ts,
        {{ add_ms('last_ts', 'coalesce(raw_step_ms, 0)') }} as last_end_ts,
        max(first_ts) over by_symbol as common_start_ts,
        min({{ add_ms('last_ts', 'coalesce(raw_step_ms, 0)') }}) over by_symbol
            as common_end_ts,
        raw_step_ms
    from raw_steps
    window by_symbol as (partition by symbol)
),

spans as (
    select
        symbol,
        leg as source,
        'span_differs' as kind,
        first_ts as ts,
        common_start_ts as ts_end,
        cast(
            {{ ms_between('first_ts', 'common_start_ts') }} / raw_step_ms as bigint
        ) as affected,
        'info' as severity,
        ' raw bars lie before the other leg begins: they are not in the sample' as detail
    from leg_spans
    where first_ts < common_start_ts
    union all
    select
        symbol,
        leg,
        'span_differs',
        common_end_ts,
        last_end_ts,
        cast({{ ms_between('common_end_ts', 'last_end_ts') }} / raw_step_ms as bigint),
        'info',
        ' raw bars lie after the other leg ends: they are not in the sample'
    from leg_spans
    where last_end_ts > common_end_ts
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
