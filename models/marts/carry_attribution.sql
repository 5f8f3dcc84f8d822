-- One row per symbol, timeframe, strategy and month: what the net return was earned with,
-- as sums over bars. r_spot + r_hedge, the price part, is what the legs' difference
-- brought on the hedged part and what spot brought on the rest.
with
returns as (select * from {{ ref('returns_decomposed') }})

select
    symbol,
    timeframe,
    strategy,
    cast(date_trunc('month', ts) as date) as month,
    count(*) as bars,
    {{ null_if_proxy('sum(hedge_ratio * (r_spot - r_fut))') }} as basis,
    sum(r_funding) as funding,
    sum(r_fees) as fees,
    sum((1 - hedge_ratio) * r_spot) as unhedged,
    sum(r_net) as net
from returns
group by symbol, timeframe, strategy, cast(date_trunc('month', ts) as date)
