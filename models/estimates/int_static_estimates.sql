-- One row per symbol and timeframe: slope and correlation over all usable rows.
-- In-sample by definition, warm-up included: what the static strategy uses, looking
-- ahead. Key: symbol, timeframe.
select
    symbol,
    timeframe,
    {{ slope('usable_r_spot', 'usable_r_fut') }} as beta,
    {{ 'cast(null as double)' if perp_is_proxy()
        else null_if_nan('corr(usable_r_spot, usable_r_fut)') }} as correlation
from {{ ref('int_merged_bars') }}
group by symbol, timeframe
