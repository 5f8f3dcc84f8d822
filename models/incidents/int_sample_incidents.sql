-- One row per run of bars whose ratio was undefined, per symbol and timeframe without an
-- evaluated bar, and per symbol without a perp.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
strategies as (select * from {{ ref('int_strategies') }}),
targets as (select * from {{ ref('int_targets') }} where is_held),
evaluations as (select * from {{ ref('int_samples') }}),

held_bars as (
    select
        merged_bars.symbol, merged_bars.timeframe, strategies.strategy, merged_bars.ts,
        merged_bars.end_ts,
        {{ run_of(
            'merged_bars.row_index', 'merged_bars.market, strategies.strategy'
        ) }} as run
    from targets
    inner join merged_bars
        on targets.market = merged_bars.market
        and targets.row_index = merged_bars.row_index
    inner join strategies
        on merged_bars.timeframe = strategies.timeframe
        and targets.target = strategies.target
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

select symbol, source, kind, ts, ts_end, affected, severity, detail
from incidents
