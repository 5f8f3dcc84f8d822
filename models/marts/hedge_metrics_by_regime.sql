-- One row per symbol, timeframe, strategy, regime_kind and regime: figures as in
-- hedge_metrics, over the evaluated bars of a calendar month or of a third of
-- volatilities. A bar whose volatility had too little past is in no third.
{% set sample = 'symbol, timeframe, strategy' %}

with
returns as (select * from {{ ref('returns_decomposed') }}),
volatility_regimes as (select * from {{ ref('int_volatility_regimes') }}),

bars as (
    select
        returns.*,
        {{ month_of('returns.ts') }} as month,
        volatility_regimes.regime as volatility_regime
    from returns
    left join volatility_regimes
        on returns.symbol = volatility_regimes.symbol
        and returns.timeframe = volatility_regimes.timeframe
        and returns.ts = volatility_regimes.ts
),

totals as (
    select
        {{ sample }},
        case when grouping(month) = 0 then 'month' else 'volatility' end as regime_kind,
        coalesce(month, volatility_regime) as regime,
        count(*) as bars,
        var_samp(r_spot) as var_spot,
        var_samp(r_net) as var_net,
        var_samp(r_spot + r_hedge) as var_price,
        avg(r_net) as mean_net,
        {{ expected_shortfall_95('r_net') }} as tail_mean,
        sum(r_fees) as fees,
        sum(r_funding) as funding,
        {{ compounded('r_net') }} as total_return
    from bars
    group by grouping sets (({{ sample }}, month), ({{ sample }}, volatility_regime))
),

shared as (
    select
        *,
        1.0 * bars / sum(bars) over (partition by {{ sample }}, regime_kind)
            as share_of_bars
    from totals
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
from shared
where regime is not null
