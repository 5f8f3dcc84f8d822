-- One row per market: the bars of the sweep's sample, in order, as the walk takes them.
-- Key: market.
{{ config(enabled=var('sweep') != '', materialized='ephemeral') }}

with
samples as (select * from {{ ref('int_sweep_samples') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }})

select
    bars.market,
    list(
        {
            'r_spot': bars.r_spot,
            'r_fut': bars.r_fut,
            'funding_rate': bars.funding_rate,
            -- without a perp, spot stands in for it
            'price_ratio': coalesce(
                bars.previous_close_perp, bars.previous_close_spot
            ) / bars.previous_close_spot,
            'notional': bars.previous_close_spot / samples.start_close_spot
        }
        order by bars.row_index
    ) as bars
from merged_bars as bars
inner join samples
    on bars.market = samples.market
    and bars.row_index >= samples.start_row
where not bars.is_next_bar
group by bars.market
