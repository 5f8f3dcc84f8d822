-- One row per symbol, timeframe and strategy with enough blocks: the long-run variance of
-- r_net per bar, with Bartlett weights over a block's length of lags (Newey & West 1987),
-- by an identity: the mean square of all sums over lags + 1 bars in a row, bars outside
-- the sample counting 0. Key: symbol, timeframe, strategy.
{{ config(materialized='ephemeral') }}

with
prefix_sums as (
    select
        *,
        {{ block_bars('timeframe') }} as lags
    from {{ ref('int_prefix_sums') }}
    where
        strategy <> {{ spot_series() }}
        and bars >= {{ least_blocks() }} * {{ block_bars('timeframe') }}
),

window_sums as (
    select
        symbol,
        timeframe,
        strategy,
        lags,
        bars,
        total - {{ rows_earlier('total', 'lags + 1', 'by_place') }} as net,
        -- windows that reach over the sample's end: the whole sums up to 0
        case when place >= bars - lags then 0 - total end as net_at_end
    from prefix_sums
    window by_place as (partition by symbol, timeframe, strategy order by place)
)

select
    symbol,
    timeframe,
    strategy,
    bars,
    (sum(net * net) + sum(net_at_end * net_at_end)) / (bars * (lags + 1))
        as long_run_var
from window_sums
group by symbol, timeframe, strategy, bars, lags
