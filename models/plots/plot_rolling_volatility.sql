-- One row per symbol, timeframe, strategy and evaluated bar: volatility of the net
-- return over the last 7 days of bars, this one included. Key: as returns_decomposed.
{{ config(materialized='view') }}

{% set frame_rows = window_rows("'7d'", 'timeframe') %}

with
returns as (
    select *, {{ frame_rows }} as frame_rows
    from {{ ref('returns_decomposed') }}
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    {{ null_if_proxy(
        'case when count(*) over last_week = frame_rows'
        ~ ' then stddev_samp(r_net) over last_week end'
    ) }} * sqrt({{ periods_per_year('timeframe') }}) as volatility
from returns
window last_week as (
    partition by symbol, timeframe, strategy
    order by ts
    {{ last_rows('frame_rows') }}
)
