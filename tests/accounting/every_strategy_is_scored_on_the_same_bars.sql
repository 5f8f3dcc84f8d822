with
scored as (
    select
        samples.symbol,
        samples.timeframe,
        strategies.strategy,
        samples.start_ts,
        samples.end_ts,
        samples.evaluated_bars,
        min(returns.ts) as first_ts,
        max(returns.ts) as last_ts,
        count(returns.ts) as bars
    from {{ ref('int_samples') }} as samples
    inner join {{ ref('int_strategies') }} as strategies
        on samples.timeframe = strategies.timeframe
    left join {{ ref('returns_decomposed') }} as returns
        on samples.symbol = returns.symbol
        and samples.timeframe = returns.timeframe
        and strategies.strategy = returns.strategy
    group by
        samples.symbol,
        samples.timeframe,
        strategies.strategy,
        samples.start_ts,
        samples.end_ts,
        samples.evaluated_bars
)

select *
from scored
where
    bars <> evaluated_bars
    or first_ts is distinct from start_ts
    or last_ts is distinct from end_ts
