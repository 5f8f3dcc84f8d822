-- One row per symbol, timeframe and strategy of the sweep: what its walk begins with.
-- Key: symbol, timeframe, strategy.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
stretches as (select * from {{ ref('int_sweep_stretches') }})

select
    stretches.symbol,
    stretches.timeframe,
    strategies.strategy,
    strategies.series,
    strategies.rebalance_band,
    strategies.rebalance_every,
    strategies.min_trade,
    {{ first_close('stretches.closes') }}.target as first_target
from strategies
inner join stretches
    on strategies.timeframe = stretches.timeframe
    and strategies.series = stretches.series
    and stretches.stretch = 0
