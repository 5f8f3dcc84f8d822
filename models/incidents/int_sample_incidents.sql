-- One row per run of bars whose ratio was undefined, per symbol and timeframe without an
-- evaluated bar, and per symbol without a perp.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
hedge_ratios as (select * from {{ ref('int_hedge_ratios') }}),
evaluations as (select * from {{ ref('int_samples') }}),

held_bars as (
    select
        hedge_ratios.symbol,
        hedge_ratios.timeframe,
        hedge_ratios.strategy,
        merged_bars.ts,
        merged_bars.end_ts,
        {{ run_of(
            'merged_bars.row_index',
            'hedge_ratios.symbol, hedge_ratios.timeframe, hedge_ratios.strategy'
        ) }} as run
    from hedge_ratios
    inner join merged_bars
        on hedge_ratios.symbol = merged_bars.symbol
        and hedge_ratios.timeframe = merged_bars.timeframe
        and hedge_ratios.ts = merged_bars.ts
    where hedge_ratios.status = 'held'
),

held_runs as (
    select
        symbol,
        {{ ratio_source('strategy', 'timeframe') }} as source,
        'beta_undefined' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        {{ counted('count(*)', 'bar') }}
        || ' whose ratio was undefined: the last ratio was held' as detail
    from held_bars
    group by symbol, timeframe, strategy, run
),

merged_spans as (
    select
        symbol,
        timeframe,
        min(ts) as start_ts,
        max(end_ts) as end_ts
    from merged_bars
    where not is_next_bar
    group by symbol, timeframe
),

not_evaluated as (
    select
        symbol,
        timeframe as source,
        'not_evaluated' as kind,
        merged_spans.start_ts as ts,
        merged_spans.end_ts as ts_end,
        evaluations.merged_bars as affected,
        'warn' as severity,
        {{ counted('evaluations.merged_bars', 'bar') }}
        || ': too few, or with too many gaps, for a ratio of every strategy' as detail
    from evaluations
    inner join merged_spans using (symbol, timeframe)
    where evaluations.evaluated_bars = 0
),

proxies as (
    select
        symbol,
        'perp' as source,
        'perp_is_proxy' as kind,
        min(merged_spans.start_ts) as ts,
        max(merged_spans.end_ts) as ts_end,
        max(evaluations.merged_bars) as affected,
        'warn' as severity,
        {{ counted('max(evaluations.merged_bars)', 'bar') }}
        || ' without a perp: spot stands in for it, so that risk cannot be measured'
            as detail
    from evaluations
    inner join merged_spans using (symbol, timeframe)
    where {{ 'true' if perp_is_proxy() else 'false' }}
    group by symbol
),

incidents as (
    select * from held_runs
    union all
    select * from not_evaluated
    union all
    select * from proxies
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
