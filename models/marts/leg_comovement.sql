-- One row per symbol and timeframe, none without a perp: how the legs move together over
-- the evaluated bars, and whether one is a bar ahead of the other. Rows over gaps are
-- left out, as in estimates. Key: symbol, timeframe.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
samples as (select * from {{ ref('int_samples') }}),

pairs as (
    select
        symbol,
        timeframe,
        ts,
        usable_r_spot,
        usable_r_fut,
        lag(usable_r_spot) over by_time as earlier_r_spot,
        lag(usable_r_fut) over by_time as earlier_r_fut
    from merged_bars
    where not is_next_bar and {{ 'false' if perp_is_proxy() else 'true' }}
    window by_time as (partition by symbol, timeframe order by ts)
)

select
    pairs.symbol,
    pairs.timeframe,
    count(pairs.usable_r_fut) as bars,
    {{ null_if_nan('corr(pairs.usable_r_spot, pairs.usable_r_fut)') }} as correlation,
    {{ null_if_nan('corr(pairs.earlier_r_spot, pairs.usable_r_fut)') }}
        as correlation_spot_earlier,
    {{ null_if_nan('corr(pairs.earlier_r_fut, pairs.usable_r_spot)') }}
        as correlation_perp_earlier,
    10000 * stddev_samp(pairs.usable_r_spot) as spot_bps,
    10000 * stddev_samp(pairs.usable_r_spot - pairs.usable_r_fut) as difference_bps,
    {{ null_if_nan(
        'corr(pairs.usable_r_spot - pairs.usable_r_fut,'
        ~ ' pairs.earlier_r_spot - pairs.earlier_r_fut)'
    ) }} as difference_autocorrelation
from pairs
inner join samples
    on pairs.symbol = samples.symbol
    and pairs.timeframe = samples.timeframe
    and pairs.ts >= samples.start_ts
group by pairs.symbol, pairs.timeframe
