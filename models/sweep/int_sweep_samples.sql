-- One row per market: the sample of the sweep, from the first bar at which each of its
-- own strategies has a ratio. NULL where one never gets any. Key: market.
{{ config(enabled=var('sweep') != '') }}

with
merged_bars as (select * from {{ ref('int_merged_bars') }} where not is_next_bar),
starts as (select * from {{ ref('int_sample_starts') }} where is_sweep),

bars as (
    select
        merged_bars.*,
        starts.start_row,
        coalesce(merged_bars.row_index >= starts.start_row, false) as is_evaluated
    from merged_bars
    left join starts on merged_bars.market = starts.market
)

select
    market,
    symbol,
    timeframe,
    {{ periods_per_year('timeframe') }} as periods_per_year,
    max(start_row) as start_row,
    max(case when row_index = start_row then previous_close_spot end)
        as start_close_spot,
    count(*) filter (where is_evaluated) as evaluated_bars,
    -- of those that take a ratio
    count(*) filter (where not is_evaluated and r_spot is not null) as warmup_bars,
    {{ exact_variance('case when is_evaluated then r_spot end') }} as var_spot
from bars
group by market, symbol, timeframe
