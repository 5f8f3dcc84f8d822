-- One row per leg, symbol and raw bar: the usable rows of the input, each time once.
-- Of rows with the same time the greatest (source_file, source_row) wins.
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
        row_number() over latest_first as recency,
        count(*) over same_time as copies,
        -- NULL is a value here: a copy without a volume differs from one with it
        first_value(row(open, high, low, close, volume)) over latest_first
            is distinct from row(open, high, low, close, volume) as differs_from_latest
    from both_legs
    window
        same_time as (partition by leg, symbol, ts),
        latest_first as (
            partition by leg, symbol, ts
            order by source_file desc, source_row desc
        )
),

marked as (
    select
        *,
        bool_or(differs_from_latest) over (partition by leg, symbol, ts) as is_conflicting
    from ranked
)

select
    leg,
    symbol,
    ts,
    lag(ts) over (partition by leg, symbol order by ts) as previous_ts,
    open,
    high,
    low,
    close,
    volume,
    copies,
    is_conflicting
from marked
where recency = 1
