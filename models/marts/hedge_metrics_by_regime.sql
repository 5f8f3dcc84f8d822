-- One row per symbol, timeframe, strategy, regime_kind and regime: figures as in
-- hedge_metrics, over the evaluated bars of a calendar month or of a third of
-- volatilities. A bar whose volatility had too little past is in no third.
{% set groups = 'symbol, timeframe, strategy, regime_kind, regime' %}

with
returns as (select * from {{ ref('returns_decomposed') }}),
volatility_regimes as (select * from {{ ref('int_volatility_regimes') }}),

-- each bar once a kind
bars as (
    select
        symbol,
        timeframe,
        strategy,
        'month' as regime_kind,
        {{ month_of('ts') }} as regime,
        ts,
        r_spot,
        r_hedge,
        r_funding,
        r_fees,
        r_net
    from returns
    union all
    select
        returns.symbol,
        returns.timeframe,
        returns.strategy,
        'volatility' as regime_kind,
        volatility_regimes.regime,
        returns.ts,
        returns.r_spot,
        returns.r_hedge,
        returns.r_funding,
        returns.r_fees,
        returns.r_net
    from returns
    left join volatility_regimes
        on returns.symbol = volatility_regimes.symbol
        and returns.timeframe = volatility_regimes.timeframe
        and returns.ts = volatility_regimes.ts
),

ranked as (
    select
        *,
        row_number() over (partition by {{ groups }} order by r_net) as place,
        count(*) over (partition by {{ groups }}) as bars_in_regime
    from bars
),

totals as (
    select
        {{ groups }},
        count(*) as bars,
        var_samp(r_spot) as var_spot,
        var_samp(r_net) as var_net,
        var_samp(r_spot + r_hedge) as var_price,
        avg(r_net) as mean_net,
        {{ compounded('r_net') }} as total_return,
        sum(r_funding) as funding,
        sum(r_fees) as fees,
        avg(case when {{ is_in_tail('place', 'bars_in_regime') }} then r_net end)
            as tail_mean
    from ranked
    group by {{ groups }}
),

shared as (
    select
        *,
        1.0 * bars / sum(bars) over (
            partition by symbol, timeframe, strategy, regime_kind
        ) as share_of_bars
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
