-- The n deepest drawdowns of each strategy, and when each was recovered.
{{ config(parameters=['n := 5']) }}

with
spells as (
    select
        symbol, timeframe, strategy, ts, drawdown,
        sum(case when drawdown = 0 then 1 else 0 end) over by_time as peaks,
        lead(ts) over by_time as next_ts
    from {{ ref('returns_decomposed') }}
    window by_time as (partition by symbol, timeframe, strategy order by ts)
),

falls as (
    select
        symbol, timeframe, strategy,
        min(drawdown) as lowest,
        min(ts) as first_ts,
        arg_min(ts, drawdown) as lowest_ts,
        -- the bar after the spell; NULL if the sample ends below the peak
        arg_max_null(next_ts, ts) as made_up_ts
    from spells
    where drawdown < 0
    group by symbol, timeframe, strategy, peaks
)

select
    symbol,
    timeframe,
    strategy,
    round(lowest, 6) as drawdown,
    first_ts,
    lowest_ts,
    made_up_ts
from falls
qualify
    row_number() over (
        partition by symbol, timeframe, strategy order by lowest, first_ts
    ) <= n
order by symbol, timeframe, strategy, lowest, first_ts
