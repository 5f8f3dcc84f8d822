-- One row per symbol and timeframe: the bars of the sweep's sample, in order, as the walk
-- takes them. Key: symbol, timeframe.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
samples as (select * from {{ ref('int_sweep_samples') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

evaluated as (
    select
        bars.symbol,
        bars.timeframe,
        bars.ts,
        bars.r_spot,
        bars.r_fut,
        bars.funding_rate,
        -- without a perp, spot stands in for it
        coalesce(bars.previous_close_perp, bars.previous_close_spot)
        / bars.previous_close_spot as price_ratio,
        bars.previous_close_spot
        / first_value(bars.previous_close_spot) over (
            partition by bars.symbol, bars.timeframe
            order by bars.ts
        ) as notional
    from merged_bars as bars
    inner join samples
        on bars.symbol = samples.symbol
        and bars.timeframe = samples.timeframe
        and bars.ts >= samples.start_ts
    where not bars.is_next_bar
)

select
    symbol,
    timeframe,
    list(
        {
            'r_spot': coalesce(r_spot, 0),
            'r_fut': coalesce(r_fut, 0),
            'funding_rate': coalesce(funding_rate, 0),
            'price_ratio': price_ratio,
            'notional': notional
        }
        order by ts
    ) as bars
from evaluated
group by symbol, timeframe
