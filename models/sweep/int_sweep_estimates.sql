-- One row per symbol, timeframe and distinct estimate of the sweep: for each bar that
-- takes a ratio, in order, what strategies of the estimate multiply. A bar without an
-- estimate keeps the last one. Key: symbol, timeframe, estimate.
{{ config(enabled=var('sweep') != '') }}

with
strategies as (select * from {{ ref('int_sweep_strategies') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),
betas as (select * from {{ ref('int_betas') }}),
realized_vols as (select * from {{ ref('int_realized_vols') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

estimates as (
    select
        timeframe,
        estimate,
        estimator,
        uses_volatility,
        max(beta_window) as beta_window,
        max(halflife) as halflife,
        max(vol_window) as vol_window
    from strategies
    group by timeframe, estimate, estimator, uses_volatility
),

estimated as (
    select
        bars.symbol,
        bars.timeframe,
        bars.ts,
        bars.is_next_bar,
        estimates.estimate,
        case estimates.estimator
            when 'none' then 0.0
            when 'naive' then 1.0
            when 'static' then static_estimates.beta
            else betas.beta
        end as beta,
        realized_vols.realized_vol,
        estimates.uses_volatility
    from merged_bars as bars
    inner join estimates on bars.timeframe = estimates.timeframe
    left join betas
        on bars.symbol = betas.symbol
        and bars.timeframe = betas.timeframe
        and bars.ts = betas.ts
        and estimates.estimator = betas.estimator
        and estimates.beta_window = betas.beta_window
        and estimates.halflife = betas.halflife
    left join realized_vols
        on bars.symbol = realized_vols.symbol
        and bars.timeframe = realized_vols.timeframe
        and bars.ts = realized_vols.ts
        and estimates.vol_window = realized_vols.vol_window
    left join static_estimates
        on bars.symbol = static_estimates.symbol
        and bars.timeframe = static_estimates.timeframe
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
        symbol,
        timeframe,
        ts,
        is_next_bar,
        estimate,
        last_value(case when is_known then beta end ignore nulls)
            over to_date as beta,
        last_value(case when is_known then realized_vol end ignore nulls)
            over to_date as realized_vol
    from known
    window to_date as (
        partition by symbol, timeframe, estimate
        order by ts
        rows between unbounded preceding and current row
    )
)

select
    symbol,
    timeframe,
    estimate,
    min(case when beta is not null and not is_next_bar then ts end) as first_ts,
    list(
        {
            'beta': beta,
            'realized_vol': realized_vol
        }
        order by ts
    ) as estimates
from held
group by symbol, timeframe, estimate
