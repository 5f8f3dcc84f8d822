-- One row per leg, symbol and raw bar: the usable rows of the input, each time once.
-- Of rows with the same time the greatest (file name, row) wins.
-- Key: leg, symbol, ts.
with
spot as (select * from {{ ref('stg_spot_bars') }} where is_usable),
perp as (select * from {{ ref('stg_perp_bars') }} where is_usable),

both_legs as (
    select 'spot' as leg, * from spot
    union all
    select 'perp' as leg, * from perp
),

ranked as (
    select
        *,
        row_number() over (
            partition by leg, symbol, ts
            order by
                {{ file_name('source_file') }} desc,
                source_file desc,
                source_row desc
        ) as recency,
        count(*) over (partition by leg, symbol, ts) as copies
    from both_legs
),

-- few rows have copies: what they differ in is looked at apart, which halves the time
conflicts as (
    select
        leg,
        symbol,
        ts,
        -- as a row, since NULL is a value here: a copy may lack a volume
        count(distinct {{ row_of('open', 'high', 'low', 'close', 'volume') }}) > 1
            as is_conflicting
    from ranked
    where copies > 1
    group by leg, symbol, ts
)

select
    ranked.leg,
    ranked.symbol,
    ranked.ts,
    lag(ranked.ts) over (
        partition by ranked.leg, ranked.symbol order by ranked.ts
    ) as previous_ts,
    ranked.open,
    ranked.high,
    ranked.low,
    ranked.close,
    ranked.volume,
    ranked.copies,
    coalesce(conflicts.is_conflicting, false) as is_conflicting
from ranked
left join conflicts
    on ranked.leg = conflicts.leg
    and ranked.symbol = conflicts.symbol
    and ranked.ts = conflicts.ts
where ranked.recency = 1
