-- One row per symbol and funding print: the interval that its exchange paid at, in whole
-- hours, and how many prints are missing after it. A longer spacing than the prints
-- around it have, or than any exchange leaves, means missing prints, not another
-- interval.
-- Key: symbol, ts.
with
prints as (select * from {{ ref('int_funding_prints') }}),

-- a late print belongs to the full hour before it, an early one to the hour after
timed as (
    select
        symbol,
        ts,
        floor(
            (
                {{ ms_between(epoch_start(), 'ts') }} / 1000
                + {{ var('max_print_delay_s') }}
            )
            / 3600
        ) as due_hour
    from prints
),

spaced as (
    select
        symbol,
        ts,
        lead(due_hour) over by_time - due_hour as spacing_hours
    from timed
    window by_time as (partition by symbol order by ts)
),

-- the last print has no spacing; greatest() would pass over its NULL
whole as (
    select
        symbol,
        ts,
        case when spacing_hours < 1 then 1 else spacing_hours end as hours
    from spaced
),

between_neighbours as (
    select
        symbol, ts, hours,
        lag(hours) over by_time as hours_before,
        lead(hours) over by_time as hours_after
    from whole
    window by_time as (partition by symbol order by ts)
),

judged as (
    select
        symbol, ts, hours, case
            when hours * 3600000 > {{ longest_accrual_ms() }} then null
            when
                hours > hours_before
                and hours % hours_before = 0
                and hours_after = hours_before
                then hours_before
            else hours
        end as known_hours
    from between_neighbours
),

filled as (
    select
        symbol, ts, hours,
        coalesce(
            {{ last_known('known_hours', partition_by='symbol', order_by='ts') }},
            -- before the first that is known
            {{ last_known('known_hours', partition_by='symbol', order_by='ts desc') }},
            {{ longest_accrual_ms() }} / 3600000
        ) as interval_hours
    from judged
)

select
    symbol,
    ts,
    cast(interval_hours as integer) as interval_hours,
    cast(lag(interval_hours) over by_time as integer) as previous_interval_hours,
    cast(coalesce(greatest(round(hours / interval_hours) - 1, 0), 0) as integer)
        as missing_prints_after
from filled
window by_time as (partition by symbol order by ts)
