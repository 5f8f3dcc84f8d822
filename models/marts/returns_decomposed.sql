-- One row per symbol, timeframe, strategy and evaluated bar: the hedged return and its
-- parts, as fractions of the spot notional at the bar's start. A trade is what moves the
-- ratio from where both prices let it drift, not only a new beta.
with
series as (select * from {{ ref('int_series') }}),
positions as (select * from {{ ref('int_positions') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }})

select
    series.symbol,
    series.timeframe,
    series.strategy,
    merged_bars.ts,
    positions.hedge_ratio,
    positions.trade,
    merged_bars.r_spot,
    merged_bars.r_fut,
    0 - positions.hedge_ratio * merged_bars.r_fut as r_hedge,
    positions.hedge_ratio * merged_bars.funding_rate as r_funding,
    0 - {{ fee('positions.trade') }} as r_fees,
    0 - {{ slippage('positions.trade') }} as r_slippage,
    positions.r_net,
    positions.cum_log_return,
    {{ null_if_proxy('positions.drawdown') }} as drawdown
from series
inner join positions on series.series = positions.series
inner join merged_bars
    on series.market = merged_bars.market
    and positions.row_index = merged_bars.row_index
where not merged_bars.is_next_bar
