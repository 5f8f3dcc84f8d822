-- One row per market and distinct estimate of the sweep: for each bar that takes a ratio,
-- in order, what strategies of the estimate multiply. A bar without an estimate keeps the
-- last one. Key: market, estimate.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
betas as (select * from {{ ref('int_betas') }}),
realized_vols as (select * from {{ ref('int_realized_vols') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

estimates as (
    select
        timeframe, estimate, estimator, uses_volatility,
        max(beta_window) as beta_window,
        max(halflife) as halflife,
        max(vol_window) as vol_window
    from strategies
    group by timeframe, estimate, estimator, uses_volatility
),

estimated as (
    select
        bars.market, estimates.estimate, bars.row_index, bars.is_next_bar,
        {{ target_beta('estimates.estimator', 'static_estimates.beta', 'betas.beta') }}
            as beta,
        realized_vols.realized_vol,
        estimates.uses_volatility
    from merged_bars as bars
    inner join estimates on bars.timeframe = estimates.timeframe
    left join betas
        on bars.market = betas.market
        and bars.row_index = betas.row_index
        and estimates.estimator = betas.estimator
        and estimates.beta_window = betas.beta_window
        and estimates.halflife = betas.halflife
    left join realized_vols
        on bars.market = realized_vols.market
        and bars.row_index = realized_vols.row_index
        and estimates.vol_window = realized_vols.vol_window
    left join static_estimates on bars.market = static_estimates.market
    where {{ takes_a_ratio('bars') }}
),

known as (
    select
        *,
        beta is not null and (realized_vol is not null or not uses_volatility) as is_known
    from estimated
),

held as (
    select
        market, estimate, row_index, is_next_bar,
        last_value(case when is_known then beta end ignore nulls)
            over to_date as beta,
        last_value(case when is_known then realized_vol end ignore nulls)
            over to_date as realized_vol
    from known
    window to_date as (
        partition by market, estimate
        order by row_index
        rows between unbounded preceding and current row
    )
)

select
    market,
    estimate,
    min(case when beta is not null and not is_next_bar then row_index end) as first_row,
    list(
        {
            'beta': beta,
            'realized_vol': realized_vol
        }
        order by row_index
    ) as estimates
from held
group by market, estimate
