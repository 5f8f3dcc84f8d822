-- One row per market with an evaluated bar and strategy, by number: its names, its rule
-- and what its paths start from. What is stored between models carries the number alone.
-- Key: series.
with
samples as (select * from {{ ref('int_samples') }}),
strategies as (select * from {{ ref('int_strategies') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }})

select
    cast(
        row_number() over (
            order by samples.symbol, samples.timeframe, strategies.strategy
        ) as integer
    ) as series,
    samples.market,
    samples.symbol,
    samples.timeframe,
    strategies.strategy,
    strategies.target,
    strategies.has_rebalance_rule,
    strategies.rebalance_band,
    strategies.rebalance_every,
    strategies.min_trade,
    strategies.is_selected,
    samples.start_row,
    samples.end_row,
    merged_bars.previous_close_spot as start_close_spot
from samples
inner join strategies on samples.timeframe = strategies.timeframe
inner join merged_bars
    on samples.market = merged_bars.market
    and samples.start_row = merged_bars.row_index
