-- 1e-9: thousands of additions of numbers below 1 err by less than 1e-12.
with
months as (
    select
        symbol,
        timeframe,
        strategy,
        cast(date_trunc('month', ts) as date) as month,
        sum(r_net) as net
    from {{ ref('returns_decomposed') }}
    group by symbol, timeframe, strategy, cast(date_trunc('month', ts) as date)
)

select
    months.symbol,
    months.timeframe,
    months.strategy,
    months.month,
    months.net,
    parts.net as net_attributed,
    parts.basis,
    parts.funding,
    parts.fees,
    parts.unhedged
from months
left join {{ ref('carry_attribution') }} as parts
    on months.symbol = parts.symbol
    and months.timeframe = parts.timeframe
    and months.strategy = parts.strategy
    and months.month = parts.month
where
    not coalesce(
        abs(
            {{ '0' if perp_is_proxy() else 'parts.basis' }}
            + parts.funding + parts.fees + parts.unhedged - months.net
        ) < 1e-9
        and abs(parts.net - months.net) < 1e-9,
        false
    )
