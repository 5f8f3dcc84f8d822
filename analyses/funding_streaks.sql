-- How often and how long did the short pay funding?
--
-- The ten dearest runs of consecutive negative prints of each symbol: their time and
-- the sum of their rates, a fraction of the perp notional (what a ratio of 1 paid).
-- paid_share is the share of all its prints that were negative. end_ts is the first
-- print after the run; NULL while it lasts.
-- Caveats: every print of the files counts, those of the warm-up too. A print of 0
-- ends a run. A hole in the prints does not: see coverage. streaks counts all of them,
-- also those that are not among the ten.
with
prints as (
    select
        symbol,
        ts,
        funding_rate,
        accrual_ms,
        lead(ts) over by_time as next_ts,
        row_number() over by_time
        - row_number() over (
            partition by symbol, case when funding_rate < 0 then 1 else 0 end
            order by ts
        ) as run,
        avg(case when funding_rate < 0 then 1.0 else 0.0 end) over (partition by symbol)
            as paid_share
    from int_funding_prints
    window by_time as (partition by symbol order by ts)
),

streaks as (
    select
        symbol,
        run,
        min(ts) as first_ts,
        case when count(*) = count(next_ts) then max(next_ts) end as end_ts,
        count(*) as prints,
        sum(accrual_ms) / 86400000.0 as days,
        sum(funding_rate) as funding,
        min(paid_share) as paid_share
    from prints
    where funding_rate < 0
    group by symbol, run
),

ranked as (
    select
        *,
        row_number() over (partition by symbol order by funding, first_ts) as place,
        count(*) over (partition by symbol) as streaks
    from streaks
)

select
    symbol,
    place,
    first_ts,
    end_ts,
    prints,
    round(days, 2) as days,
    round(funding, 6) as funding,
    streaks,
    round(paid_share, 4) as paid_share
from ranked
where place <= 10
order by symbol, place;
