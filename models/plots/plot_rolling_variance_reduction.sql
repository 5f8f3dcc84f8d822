-- One row per symbol, timeframe, strategy and evaluated bar: variance reduction over the
-- last 30 days of bars, this one included. Key: as returns_decomposed.
{{ config(materialized='view') }}

{% set frame_rows = window_rows("'30d'", 'timeframe') %}

with
returns as (
    select *, {{ frame_rows }} as frame_rows
    from {{ ref('returns_decomposed') }}
),

variances as (
    select
        symbol, timeframe, strategy, ts, frame_rows,
        count(*) over last_month as bars,
        var_samp(r_spot) over last_month as var_spot,
        var_samp(r_net) over last_month as var_net
    from returns
    window last_month as (
        partition by symbol, timeframe, strategy
        order by ts
        {{ last_rows('frame_rows') }}
    )
)

select
    symbol,
    timeframe,
    strategy,
    ts,
    case
        when bars = frame_rows
            then {{ variance_reduction('var_net', 'var_spot') }}
    end as variance_reduction
from variances
