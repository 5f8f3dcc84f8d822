with
scored as (
    select
        series,
        min(row_index) as first_row,
        max(row_index) as last_row,
        count(*) as bars
    from {{ ref('int_positions') }}
    where r_net is not null
    group by series
),

expected as (
    select
        samples.symbol,
        samples.timeframe,
        strategies.strategy,
        samples.start_row,
        samples.end_row,
        samples.evaluated_bars,
        series.series
    from {{ ref('int_samples') }} as samples
    inner join {{ ref('int_strategies') }} as strategies
        on samples.timeframe = strategies.timeframe
    left join {{ ref('int_series') }} as series
        on samples.symbol = series.symbol
        and samples.timeframe = series.timeframe
        and strategies.strategy = series.strategy
)

select
    expected.symbol,
    expected.timeframe,
    expected.strategy,
    expected.evaluated_bars,
    scored.bars,
    scored.first_row,
    scored.last_row
from expected
left join scored on expected.series = scored.series
where
    coalesce(scored.bars, 0) <> expected.evaluated_bars
    or scored.first_row is distinct from expected.start_row
    or (expected.evaluated_bars > 0 and scored.last_row <> expected.end_row)
