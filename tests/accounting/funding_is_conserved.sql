-- 1e-12: some ten thousand additions of rates around 1e-4.
with
spans as (
    select
        symbol,
        timeframe,
        {{ add_ms('min(ts)', ms_of_timeframe('timeframe')) }} as start_ts,
        {{ add_ms('max(ts)', ms_of_timeframe('timeframe')) }} as end_ts,
        coalesce(sum(funding_rate), 0) as accrued
    from {{ ref('prices_merged') }}
    group by symbol, timeframe
),

shares as (
    select
        spans.symbol,
        spans.timeframe,
        prints.funding_rate * greatest(0, {{ ms_between(
            'greatest(prints.ts, spans.start_ts)',
            'least(' ~ add_ms('prints.ts', 'prints.accrual_ms') ~ ', spans.end_ts)'
        ) }}) / prints.accrual_ms as due
    from spans
    inner join {{ ref('int_funding_prints') }} as prints
        on spans.symbol = prints.symbol
),

dues as (
    select
        symbol,
        timeframe,
        sum(due) as due
    from shares
    group by symbol, timeframe
)

select
    spans.symbol,
    spans.timeframe,
    spans.accrued,
    dues.due
from spans
left join dues
    on spans.symbol = dues.symbol
    and spans.timeframe = dues.timeframe
where not (abs(spans.accrued - coalesce(dues.due, 0)) < 1e-12)
