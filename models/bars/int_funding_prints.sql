-- One row per symbol and funding print, with the time over which it accrues. A print
-- accrues until the next one, for 8 hours at most; what lies beyond is not covered. Key:
-- symbol, ts.
with
prints as (select * from {{ ref('stg_funding_prints') }} where is_usable),

ranked as (
    select
        symbol, ts, funding_rate,
        row_number() over (
            partition by symbol, ts
            order by
                {{ file_name('source_file') }} desc,
                source_file desc,
                source_row desc
        ) as recency,
        count(*) over same_time as copies,
        min(funding_rate) over same_time <> max(funding_rate) over same_time
            as is_conflicting
    from prints
    window same_time as (partition by symbol, ts)
),

spaced as (
    select
        symbol, ts, funding_rate, copies, is_conflicting,
        {{ ms_between('ts', 'lead(ts) over by_time') }} as spacing_ms
    from ranked
    where recency = 1
    window by_time as (partition by symbol order by ts)
),

lengthened as (
    select
        symbol, ts, funding_rate, copies, is_conflicting,
        least(
            -- the last print takes the length of the one before it, a single one the
            -- longest
            coalesce(
                spacing_ms, lag(spacing_ms) over by_time, {{ longest_accrual_ms() }}
            ),
            {{ longest_accrual_ms() }}
        ) as accrual_ms
    from spaced
    window by_time as (partition by symbol order by ts)
)

select
    symbol,
    ts,
    funding_rate,
    accrual_ms,
    copies,
    is_conflicting,
    coalesce(sum(funding_rate) over earlier, 0) as accrued_before
from lengthened
window earlier as (
    partition by symbol
    order by ts
    rows between unbounded preceding and 1 preceding
)
