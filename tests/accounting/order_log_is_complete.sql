with
logs as (
    select
        symbol,
        timeframe,
        count(*) as orders,
        min(seq) as first_seq,
        max(seq) as last_seq,
        count(r_net) as outcomes,
        {{ last_by('data_age_hours', 'seq') }} as data_age_hours,
        max(case when r_net is null then seq end) as seq_without_outcome
    from {{ ref('paper_rebalance_log') }}
    group by symbol, timeframe
)

select
    samples.symbol,
    samples.timeframe,
    samples.evaluated_bars,
    logs.orders,
    logs.outcomes,
    logs.seq_without_outcome
from {{ ref('int_samples') }} as samples
left join logs
    on samples.symbol = logs.symbol
    and samples.timeframe = logs.timeframe
where
    samples.evaluated_bars > 0
    and not coalesce(
        logs.orders = samples.evaluated_bars + 1
        and logs.outcomes = samples.evaluated_bars
        and logs.first_seq = 1
        and logs.last_seq = logs.orders
        and logs.seq_without_outcome = logs.orders
        and logs.data_age_hours is not null,
        false
    )
