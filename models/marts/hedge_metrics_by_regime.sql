-- One row per symbol, timeframe, strategy, regime_kind and regime: figures as in
-- hedge_metrics, over the evaluated bars of a calendar month or of a third of
-- volatilities. A bar whose volatility had too little past is in no third.
with
series as (select * from {{ ref('int_series') }}),
samples as (select * from {{ ref('int_samples') }}),
positions as (select * from {{ ref('int_positions') }} where r_net is not null),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
volatility_regimes as (select * from {{ ref('int_volatility_regimes') }}),

labelled as (
    select
        merged_bars.market, merged_bars.row_index, merged_bars.r_spot,
        merged_bars.r_fut, merged_bars.funding_rate,
        {{ month_of('merged_bars.ts') }} as month,
        volatility_regimes.regime as volatility_regime
    from merged_bars
    inner join samples
        on merged_bars.market = samples.market
        and merged_bars.row_index between samples.start_row and samples.end_row
    left join volatility_regimes
        on merged_bars.market = volatility_regimes.market
        and merged_bars.row_index = volatility_regimes.row_index
),

regimes as (
    select *, 'month' as regime_kind, month as regime from labelled
    union all
    select *, 'volatility' as regime_kind, volatility_regime as regime from labelled
    where volatility_regime is not null
),

sizes as (
    select
        market, regime_kind, regime,
        {{ tail_bars('count(*)') }} as tail_bars
    from regimes
    group by market, regime_kind, regime
),

bars as (
    select
        positions.series, regimes.regime_kind, regimes.regime, sizes.tail_bars,
        positions.r_net, regimes.r_spot,
        regimes.r_spot - positions.hedge_ratio * regimes.r_fut as r_price,
        positions.hedge_ratio * regimes.funding_rate as r_funding,
        0 - {{ fee('positions.trade') }} as r_fees
    from positions
    inner join series on positions.series = series.series
    inner join regimes
        on series.market = regimes.market
        and positions.row_index = regimes.row_index
    inner join sizes
        on regimes.market = sizes.market
        and regimes.regime_kind = sizes.regime_kind
        and regimes.regime = sizes.regime
),

totals as (
    select
        series, regime_kind, regime,
        count(*) as bars,
        {{ exact_variance('r_spot') }} as var_spot,
        {{ exact_variance('r_net') }} as var_net,
        {{ exact_variance('r_price') }} as var_price,
        {{ exact_mean('r_net') }} as mean_net,
        {{ mean_of_lowest('r_net', 'tail_bars') }} as tail_mean,
        {{ exact_sum('r_fees') }} as fees,
        {{ exact_sum('r_funding') }} as funding,
        {{ compounded('r_net') }} as total_return
    from bars
    group by series, regime_kind, regime
),

named as (
    select
        series.symbol, series.timeframe, series.strategy,
        totals.*,
        1.0 * totals.bars / samples.evaluated_bars as share_of_bars
    from totals
    inner join series on totals.series = series.series
    inner join samples on series.market = samples.market
)

select
    symbol,
    timeframe,
    strategy,
    regime_kind,
    regime,
    bars,
    share_of_bars,
    {{ variance_reduction('var_net', 'var_spot') }} as variance_reduction,
    {{ variance_reduction('var_price', 'var_spot') }} as variance_reduction_price,
    {{ sharpe('mean_net', 'var_net', 'timeframe') }} as sharpe,
    {{ annualised_volatility('var_net', 'timeframe') }} as volatility,
    {{ null_if_proxy('tail_mean') }} as expected_shortfall_95,
    fees,
    funding,
    total_return
from named
