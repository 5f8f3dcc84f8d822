-- One row per symbol, timeframe, volatility window and bar: the annualised volatility of
-- spot over the rows before the bar. Key: symbol, timeframe, vol_window, ts.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- the var's own too, which regimes go by, if each strategy has a window of its own
windows as (
    select vol_window from {{ ref('int_strategies') }}
    union
    select {{ rows_of_var('vol_window') }} as vol_window
)

select
    symbol,
    timeframe,
    vol_window,
    ts,
    case
        when {{ is_frame_usable('usable_r_spot', 'rows_before', 'vol_window') }}
            then
                stddev_samp(usable_r_spot) over rows_before
                * sqrt({{ periods_per_year('timeframe') }})
    end as realized_vol
from merged_bars
cross join windows
where {{ takes_a_ratio() }}
window rows_before as (
    partition by symbol, timeframe, vol_window
    order by ts
    {{ rows_before('vol_window') }}
)
