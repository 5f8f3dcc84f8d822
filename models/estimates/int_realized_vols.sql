-- One row per market, volatility window and bar: the annualised volatility of spot over
-- the rows before the bar. Key: market, vol_window, row_index.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- the var's own too, which regimes go by, if each strategy has a window of its own
windows as (
    select timeframe, vol_window from {{ all_strategies() }}
    union
    select
        timeframe,
        {{ window_rows("'" ~ window_var('vol_window') ~ "'", 'timeframe') }} as vol_window
    from ({{ timeframe_rows() }}) as timeframes
)

select
    merged_bars.market,
    windows.vol_window,
    merged_bars.row_index,
    case
        when {{ is_frame_usable('usable_r_spot', 'rows_before', 'vol_window') }}
            then
                stddev_samp(merged_bars.usable_r_spot) over rows_before
                * sqrt({{ periods_per_year('merged_bars.timeframe') }})
    end as realized_vol
from merged_bars
inner join windows on merged_bars.timeframe = windows.timeframe
where {{ takes_a_ratio() }}
window rows_before as (
    partition by merged_bars.market, windows.vol_window
    order by merged_bars.row_index
    {{ rows_before('vol_window') }}
)
