-- One row per symbol, timeframe and strategy with enough blocks: the long-run variance of
-- r_net per bar, with Bartlett weights over a block's length of lags (Newey & West 1987),
-- by an identity: the mean square of all sums over lags + 1 bars in a row, bars outside
-- the sample counting 0. Key: symbol, timeframe, strategy.
{{ config(materialized='ephemeral') }}

with
returns as (select * from {{ ref('returns_decomposed') }}),

centred as (
    select
        symbol,
        timeframe,
        strategy,
        ts,
        {{ block_bars('timeframe') }} as lags,
        count(*) over in_series as bars,
        r_net - avg(r_net) over in_series as net
    from returns
    window in_series as (partition by symbol, timeframe, strategy)
),

prefix_sums as (
    select
        symbol,
        timeframe,
        strategy,
        ts,
        lags,
        bars,
        row_number() over to_date as place,
        sum(net) over to_date as net
    from centred
    where bars >= {{ least_blocks() }} * lags
    window to_date as (
        partition by symbol, timeframe, strategy
        order by ts
        rows between unbounded preceding and current row
    )
),

window_sums as (
    select
        symbol,
        timeframe,
        strategy,
        lags,
        bars,
        net - {{ rows_earlier('net', 'lags + 1', 'by_time') }} as net,
        -- windows that reach over the sample's end: the whole sums up to 0
        case when place >= bars - lags then 0 - net end as net_at_end
    from prefix_sums
    window by_time as (partition by symbol, timeframe, strategy order by ts)
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
