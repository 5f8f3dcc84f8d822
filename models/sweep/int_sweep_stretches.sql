-- One row per symbol, timeframe, series and stretch of bars of the sweep's sample, the
-- next bar included: for each bar, in a list, the target, the price ratio that its order
-- is decided at, and what the bar before brought (0 for the first). Two more that bring
-- nothing end the lists (sweep_fold says why). Key: symbol, timeframe, series, stretch.
{{ config(enabled=var('sweep') != '') }}

with
samples as (select * from {{ ref('int_sweep_samples') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
targets as (select * from {{ ref('int_sweep_targets') }}),
strategies as (select * from {{ ref('int_sweep_strategies') }}),

numbered_bars as (
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
        / first_value(bars.previous_close_spot) over by_time as notional,
        row_number() over by_time - 1 as bar_index
    from merged_bars as bars
    inner join samples
        on bars.symbol = samples.symbol
        and bars.timeframe = samples.timeframe
        and bars.ts >= samples.start_ts
    window by_time as (partition by bars.symbol, bars.timeframe order by bars.ts)
),

bar_closes as (
    select
        symbol,
        timeframe,
        ts,
        bar_index,
        price_ratio,
        {%- for name in ['r_spot', 'r_fut', 'funding_rate', 'notional'] %}
        coalesce({{ rows_earlier(name, 1, 'by_time') }}, 0) as {{ name }},
        {%- endfor %}
        {{ rows_earlier('price_ratio', 1, 'by_time') }} as held_price_ratio,
        cast(case when bar_index > 0 then 1 else 0 end as double) as is_bar
    from numbered_bars
    window by_time as (partition by symbol, timeframe order by bar_index)
),

last_closes as (
    select
        symbol,
        timeframe,
        evaluated_bars + {{ whole_numbers(closes_after_the_walk()) }} as bar_index
    from samples
    where evaluated_bars > 0
),

closes as (
    select
        targets.series,
        targets.hedge_ratio as target,
        bar_closes.symbol,
        bar_closes.timeframe,
        bar_closes.bar_index,
        bar_closes.price_ratio,
        bar_closes.r_spot,
        bar_closes.r_fut,
        bar_closes.funding_rate,
        bar_closes.notional,
        bar_closes.held_price_ratio,
        bar_closes.is_bar
    from targets
    inner join bar_closes
        on targets.symbol = bar_closes.symbol
        and targets.timeframe = bar_closes.timeframe
        and targets.ts = bar_closes.ts
    union all
    select
        strategies.series,
        0 as target,
        last_closes.symbol,
        last_closes.timeframe,
        last_closes.bar_index,
        1 as price_ratio,
        0 as r_spot,
        0 as r_fut,
        0 as funding_rate,
        0 as notional,
        0 as held_price_ratio,
        0 as is_bar
    from last_closes
    inner join (select distinct timeframe, series from strategies) as strategies
        on last_closes.timeframe = strategies.timeframe
)

select
    symbol,
    timeframe,
    series,
    {{ stretch_of('bar_index', stretch_bars()) }} as stretch,
    {{ listed_closes() }} as closes
from closes
group by symbol, timeframe, series, {{ stretch_of('bar_index', stretch_bars()) }}
