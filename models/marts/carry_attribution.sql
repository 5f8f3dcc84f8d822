-- One row per symbol, timeframe, strategy and month: what the net return was earned with,
-- as sums over bars. r_spot + r_hedge, the price part, is what the legs' difference
-- brought on the hedged part and what spot brought on the rest.
with
series as (select * from {{ ref('int_series') }}),
positions as (select * from {{ ref('int_positions') }}),

bars as (
    select
        market, row_index, r_spot, r_fut, funding_rate,
        cast(date_trunc('month', ts) as date) as month
    from {{ ref('int_merged_bars') }}
),

months as (
    select
        positions.series,
        bars.month,
        count(*) as bars,
        {{ exact_sum('positions.hedge_ratio * (bars.r_spot - bars.r_fut)') }} as basis,
        {{ exact_sum('positions.hedge_ratio * bars.funding_rate') }} as funding,
        {{ exact_sum('0 - ' ~ fee('positions.trade')) }} as fees,
        {{ exact_sum('(1 - positions.hedge_ratio) * bars.r_spot') }} as unhedged,
        {{ exact_sum('positions.r_net') }} as net
    from positions
    inner join series on positions.series = series.series
    inner join bars
        on series.market = bars.market
        and positions.row_index = bars.row_index
    where positions.r_net is not null
    group by positions.series, bars.month
)

select
    series.symbol,
    series.timeframe,
    series.strategy,
    months.month,
    months.bars,
    {{ null_if_proxy('months.basis') }} as basis,
    months.funding,
    months.fees,
    months.unhedged,
    months.net
from months
inner join series on months.series = series.series
