-- One row per symbol, timeframe, strategy and evaluated bar: variance reduction over the
-- last 30 days of bars, this one included. Key: as returns_decomposed.
{% set month_ms = 30 * 24 * 3600 * 1000 %}
{% set frame_rows = month_ms // (timeframe_ms() | int) %}

with
returns as (select * from {{ ref('returns_decomposed') }}),

variances as (
    select
        symbol,
        timeframe,
        strategy,
        ts,
        count(*) over last_month as bars,
        var_samp(r_spot) over last_month as var_spot,
        var_samp(r_net) over last_month as var_net
    from returns
    window last_month as (
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
    case
        when bars = {{ frame_rows }}
            then {{ variance_reduction('var_net', 'var_spot') }}
    end as variance_reduction
from variances
