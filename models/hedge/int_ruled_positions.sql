-- One row per series with a rebalance rule and bar, the next bar included: the ratio
-- before and after the bar's order. Between orders the coins are held, so the ratio
-- drifts with both prices. Key: series, row_index.
--
-- What is held after a bar follows from what was held before it, which no window can
-- say. A first pass walks through each series and keeps the coins at the start of each
-- stretch of bars, a second one walks through all stretches at once and keeps every bar:
-- a list that grows bar by bar over a whole series would be copied at each of them. A
-- walk takes as long for one series as for a thousand side by side, and a group by hands
-- on few at a time: the sort brings them together.
{% set stretch_bars = 128 %}

with
series as (select * from {{ ref('int_series') }} where has_rebalance_rule),
targets as (select * from {{ ref('int_targets') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

stretches as (
    select
        series.series,
        cast(
            floor((targets.row_index - series.start_row) / {{ stretch_bars }}) as integer
        ) as stretch,
        series.rebalance_band as band,
        series.min_trade,
        min(targets.row_index) as first_row,
        list(
            {
                'target': targets.hedge_ratio,
                -- without a perp, spot stands in for it
                'price_ratio': coalesce(
                    merged_bars.previous_close_perp, merged_bars.previous_close_spot
                ) / merged_bars.previous_close_spot,
                'is_entry': targets.row_index = series.start_row,
                'is_due': {{ is_due(
                    'targets.row_index - series.start_row', 'series.rebalance_every'
                ) }}
            }
            order by targets.row_index
        ) as bars
    from series
    inner join targets
        on series.market = targets.market
        and series.target = targets.target
        and targets.row_index >= series.start_row
    inner join merged_bars
        on targets.market = merged_bars.market
        and targets.row_index = merged_bars.row_index
    group by all
),

whole_series as (
    select
        series, band, min_trade,
        list(bars order by stretch) as stretches
    from stretches
    group by series, band, min_trade
    order by series
),

starts as (
    select
        series,
        list_reduce(
            stretches,
            lambda walked, bars: {
                'coins': list_reduce(
                    bars,
                    lambda coins, bar: {{ coins_after_order_of('bar', 'coins') }},
                    walked.coins
                ),
                'starts': list_append(walked.starts, walked.coins)
            },
            {'coins': 0.0::double, 'starts': []::double[]}
        ).starts as starts
    from whole_series
),

started as (
    select
        stretches.series, stretches.first_row, stretches.band, stretches.min_trade,
        stretches.bars,
        starts.starts[stretches.stretch + 1] as coins_at_start
    from stretches
    inner join starts on stretches.series = starts.series
),

paths as (
    select
        series, first_row, bars,
        list_reduce(
            bars,
            lambda path, bar:
                list_append(path, {{ coins_after_order_of('bar', 'path[-1]') }}),
            [coins_at_start]
        ) as path
    from started
),

walked as (
    select
        series,
        first_row + unnest(range(len(bars))) as row_index,
        unnest(bars) as bar,
        -- the first is what was held before the stretch
        unnest(path[:-2]) as coins_before,
        unnest(path[2:]) as coins
    from paths
)

select
    series,
    cast(row_index as integer) as row_index,
    coins_before * bar['price_ratio'] as hedge_ratio_before,
    case
        when coins = coins_before then coins_before * bar['price_ratio']
        else bar['target']
    end as hedge_ratio
from walked
