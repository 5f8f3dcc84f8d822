-- One row per symbol, timeframe and strategy: its worst week, its worst bars and the mean
-- of the worst 5 % of bars, of r_net. All keep the sign of a return. A calendar week
-- (Monday to Sunday, UTC) counts if 5 days of it were evaluated.
{% set least_week_ms = 5 * 24 * 3600 * 1000 %}
{% set sample = 'symbol, timeframe, strategy' %}

with
returns as (select * from {{ ref('returns_decomposed') }}),

weeks as (
    select
        {{ sample }},
        cast(date_trunc('week', ts) as date) as week_start,
        {{ compounded('r_net') }} as week_return
    from returns
    group by {{ sample }}, cast(date_trunc('week', ts) as date)
    having count(*) * {{ ms_of_timeframe('timeframe') }} >= {{ least_week_ms }}
),

ranked_weeks as (
    select
        *,
        row_number() over (
            partition by {{ sample }} order by week_return, week_start
        ) as place
    from weeks
),

worst_weeks as (select * from ranked_weeks where place = 1),

ranked_bars as (
    select
        {{ sample }},
        ts,
        r_net,
        row_number() over (partition by {{ sample }} order by r_net, ts) as place,
        count(*) over (partition by {{ sample }}) as bars
    from returns
),

worst_bars as (
    select
        {{ sample }},
        avg(case when {{ is_in_tail('place', 'bars') }} then r_net end) as tail_mean,
        min(r_net) as lowest,
        min(case when place = 1 then ts end) as lowest_ts
    from ranked_bars
    group by {{ sample }}
)

select
    symbol,
    timeframe,
    strategy,
    {{ null_if_proxy('worst_weeks.week_return') }} as worst_week,
    {{ null_if_proxy('worst_weeks.week_start') }} as worst_week_start,
    {{ null_if_proxy('worst_bars.tail_mean') }} as expected_shortfall_95,
    {{ null_if_proxy('worst_bars.lowest') }} as worst_bar,
    {{ null_if_proxy('worst_bars.lowest_ts') }} as worst_bar_ts
from worst_bars
left join worst_weeks using (symbol, timeframe, strategy)
