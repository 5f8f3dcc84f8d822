-- One row per market, target and bar, the next bar included: the ratio that is fixed at
-- the close before it. An undefined ratio keeps the last one (is_held), and is NULL
-- before the first: never 0. Key: market, target, row_index.
with
bars as (select * from {{ ref('int_merged_bars') }}),
betas as (select * from {{ ref('int_betas') }}),
realized_vols as (select * from {{ ref('int_realized_vols') }}),
static_estimates as (select * from {{ ref('int_static_estimates') }}),

targets as (
    select distinct
        timeframe, target, estimator, is_vol_budget, uses_volatility, vol_target,
        -- NULL joins nothing
        case when {{ is_estimated_per_bar() }} then beta_window end as beta_window,
        halflife,
        case when uses_volatility then vol_window end as vol_window
    from {{ ref('int_strategies') }}
),

estimated as (
    select
        bars.market, targets.target, bars.row_index,
        {{ target_beta('targets.estimator', 'static_estimates.beta', 'betas.beta') }}
        * {{ vol_scale(
            'realized_vols.realized_vol', 'targets.vol_target',
            'targets.uses_volatility', 'targets.is_vol_budget'
        ) }} as hedge_ratio
    from bars
    inner join targets on bars.timeframe = targets.timeframe
    left join betas
        on bars.market = betas.market
        and bars.row_index = betas.row_index
        and targets.estimator = betas.estimator
        and targets.beta_window = betas.beta_window
        and targets.halflife = betas.halflife
    left join realized_vols
        on bars.market = realized_vols.market
        and bars.row_index = realized_vols.row_index
        and targets.vol_window = realized_vols.vol_window
    left join static_estimates on bars.market = static_estimates.market
    where {{ takes_a_ratio('bars') }}
),

ordered as (
    select
        *,
        -- the two keys in one number
        cast(market as bigint) * 1000000 + target as series
    from estimated
    order by market, target, row_index
),

numbered as (
    select
        *,
        {{ is_first_of('series') }} as is_first,
        {{ in_order('series', 'row_index') }} as row_in_order
    from ordered
),

held as (
    select
        *,
        -- NaN: nothing known yet of this series, whatever the one before ended with
        last_value(
            case when is_first then coalesce(hedge_ratio, 'nan') else hedge_ratio end
            ignore nulls
        ) over to_date as last_ratio
    from numbered
    window to_date as (rows unbounded preceding)
)

select
    market,
    target,
    row_in_order as row_index,
    {{ null_if_nan('last_ratio') }} as hedge_ratio,
    hedge_ratio is null and not isnan(last_ratio) as is_held
from held
