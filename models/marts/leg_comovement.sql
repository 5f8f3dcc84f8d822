-- One row per symbol and timeframe, none without a perp: how the legs move together over
-- the evaluated bars, and whether one is a bar ahead of the other. Rows over gaps are
-- left out, as in estimates. Key: symbol, timeframe.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),
samples as (select * from {{ ref('int_samples') }}),

ordered as (
    select
        market, row_index, usable_r_spot, usable_r_fut
    from merged_bars
    where not is_next_bar and {{ 'false' if perp_is_proxy() else 'true' }}
    order by market, row_index
),

numbered as (
    select
        *,
        {{ is_first_of('market') }} as is_first
    from ordered
),

pairs as (
    select
        market,
        {{ in_order('market', 'row_index') }} as row_in_order,
        usable_r_spot,
        usable_r_fut,
        {{ row_before('usable_r_spot', 'is_first') }} as earlier_r_spot,
        {{ row_before('usable_r_fut', 'is_first') }} as earlier_r_fut
    from numbered
),

comovements as (
    select
        pairs.market,
        count(pairs.usable_r_fut) as bars,
        {{ exact_correlation('pairs.usable_r_spot', 'pairs.usable_r_fut') }}
            as correlation,
        {{ exact_correlation('pairs.earlier_r_spot', 'pairs.usable_r_fut') }}
            as correlation_spot_earlier,
        {{ exact_correlation('pairs.earlier_r_fut', 'pairs.usable_r_spot') }}
            as correlation_perp_earlier,
        10000 * sqrt({{ exact_variance('pairs.usable_r_spot') }}) as spot_bps,
        10000 * sqrt(
            {{ exact_variance('pairs.usable_r_spot - pairs.usable_r_fut') }}
        ) as difference_bps,
        {{ exact_correlation(
            'pairs.usable_r_spot - pairs.usable_r_fut',
            'pairs.earlier_r_spot - pairs.earlier_r_fut'
        ) }} as difference_autocorrelation
    from pairs
    inner join samples
        on pairs.market = samples.market
        and pairs.row_in_order >= samples.start_row
    group by pairs.market
)

select
    samples.symbol,
    samples.timeframe,
    comovements.bars,
    comovements.correlation,
    comovements.correlation_spot_earlier,
    comovements.correlation_perp_earlier,
    comovements.spot_bps,
    comovements.difference_bps,
    comovements.difference_autocorrelation
from comovements
inner join samples on comovements.market = samples.market
