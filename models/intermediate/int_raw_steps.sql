-- One row per leg and symbol: the spacing of its raw bars and their span.
-- Key: leg, symbol. The step is the commonest spacing; of equally common ones the shortest.
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),

spacings as (
    select
        leg,
        symbol,
        {{ ms_between('previous_ts', 'ts') }} as spacing_ms,
        count(*) as occurrences,
        min(coalesce(previous_ts, ts)) as first_ts,
        max(ts) as last_ts
    from raw_bars
    group by leg, symbol, spacing_ms
),

ranked as (
    select
        leg,
        symbol,
        spacing_ms,
        sum(occurrences) over leg_symbol as raw_bars,
        min(first_ts) over leg_symbol as first_ts,
        max(last_ts) over leg_symbol as last_ts,
        -- the first bar has no spacing, and counts only where it is alone
        row_number() over (
            partition by leg, symbol
            order by spacing_ms is null, occurrences desc, spacing_ms
        ) as rank_of_spacing
    from spacings
    window leg_symbol as (partition by leg, symbol)
)

select
    leg,
    symbol,
    spacing_ms as raw_step_ms,
    raw_bars,
    first_ts,
    last_ts
from ranked
where rank_of_spacing = 1
