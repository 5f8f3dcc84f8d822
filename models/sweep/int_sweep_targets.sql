-- One row per symbol, timeframe, series and bar, the next bar included: the ratio that
-- the strategies of the series aim at. Key: symbol, timeframe, series, ts.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),

series as (
    select
        timeframe,
        series as strategy,
        estimator,
        is_vol_budget,
        uses_volatility,
        max(beta_window) as beta_window,
        max(halflife) as halflife,
        max(vol_window) as vol_window,
        max(vol_target) as vol_target
    from strategies
    group by timeframe, series, estimator, is_vol_budget, uses_volatility
),

targets as ({{ hedge_ratios_of('series') }})

select
    symbol,
    timeframe,
    strategy as series,
    ts,
    is_next_bar,
    hedge_ratio
from targets
