-- One row per symbol, timeframe, strategy and evaluated bar: volatility of the net return
-- over the last 7 days of bars, this one included. For plots. Key: as returns_decomposed.
{% set frame_rows = [2, 7 * 86400000 // (timeframe_ms() | int)] | max %}

with
returns as (select * from {{ ref('returns_decomposed') }}),

framed as (
    select
        symbol,
        timeframe,
        strategy,
        ts,
        case
            when count(*) over last_week = {{ frame_rows }}
                then stddev_samp(r_net) over last_week * sqrt({{ periods_per_year('timeframe') }})
        end as volatility,
        max(abs(hedge_ratio)) over (partition by symbol, timeframe, strategy) > 0 as is_hedged
    from returns
    window last_week as (
        partition by symbol, timeframe, strategy
        order by ts
        rows between {{ frame_rows - 1 }} preceding and current row
    )
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    {{ null_if_proxy('volatility', is_hedged='is_hedged') }} as volatility
from framed
