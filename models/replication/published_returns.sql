-- One row per step of the walk and row that it scores: ratio, cost and return. A step
-- whose hedge stops early keeps the rows after that, with spot alone. Key: step,
-- row_index.
{% set warmup_rows = 200 %}
{% set vol_target = 0.5 %}
{% set widest_ratio = 3 %}
{% set vol_guard = '1e-8' %}
{% set cost_of_change = 0.0006 %}
{% set cost_of_ends = 0.0002 %}

with
steps as (select * from {{ ref('published_steps') }} where strategy is null),
bars as (select * from {{ ref('published_bars') }}),
estimates as (select * from {{ ref('published_estimates') }}),

-- both windows start where as many rows lie before the bar, wherever their frame ends
estimated as (
    select
        steps.*,
        bars.row_index, bars.ts, bars.r_spot, bars.r_fut, bars.funding_rate,
        steps.hedged_rows = 'all' or bars.is_until_last_print as is_hedged,
        estimates.beta_static,
        case
            when steps.beta = 'static' then estimates.beta_static
            when steps.beta = 'rolling' and bars.row_index >= {{ warmup_rows }}
                then estimates.beta_rolling
            when
                steps.beta = 'own_window'
                and bars.row_index >= {{ rows_of_var('beta_window', '1h') }}
                then estimates.beta_own_window
        end as beta_known,
        estimates.hourly_vol,
        {{ vol_target }} / sqrt(24 * cast(steps.days_per_year as integer))
            as hourly_target
    from bars
    inner join steps on bars.returns_kind = steps.returns_kind
    left join estimates
        on bars.returns_kind = estimates.returns_kind
        and bars.row_index - case steps.frame when 'with_the_bar' then 0 else 1 end
        = estimates.row_index
),

-- least() and greatest() pass over NULL: an undefined ratio must stay one
scaled as (
    select
        *,
        case
            when scaling = 'none' then beta_known
            when beta_known is null or hourly_vol is null then null
            when scaling = 'own' then beta_known * least(1, hourly_target / hourly_vol)
            else
                least({{ widest_ratio }}, greatest(
                    -{{ widest_ratio }},
                    beta_known * least(1, hourly_target / (hourly_vol + {{ vol_guard }}))
                ))
        end as beta_scaled
    from estimated
),

hedged as (
    select
        *,
        coalesce(
            beta_scaled,
            {{ last_known('beta_known', partition_by='step', order_by='row_index') }},
            case warmup when 'static' then beta_static when 'unhedged' then 0 end
        ) as hedge_ratio
    from scaled
),

traded as (
    select
        *,
        abs(hedge_ratio - lag(hedge_ratio) over by_time) as change_of_ratio,
        abs(hedge_ratio - coalesce(
            {{ drifted_ratio(
                'lag(hedge_ratio) over by_time',
                'lag(r_fut) over by_time',
                'lag(r_spot) over by_time'
            ) }},
            0
        )) as trade,
        row_index = min(case when is_hedged then row_index end) over whole as is_first,
        row_index = max(case when is_hedged then row_index end) over whole as is_last
    from hedged
    where hedge_ratio is not null
    window
        by_time as (partition by step order by row_index),
        whole as (partition by step)
),

netted as (
    select
        *,
        case costs
            when 'none' then 0
            when 'published'
                then
                    {{ cost_of_change }} * coalesce(change_of_ratio, 0)
                    + case when is_first then {{ cost_of_ends }} else 0 end
                    + case when is_last then {{ cost_of_ends }} else 0 end
            when 'own' then {{ fee('trade') }}
        end as cost
    from traded
),

summed as (
    select
        *,
        r_spot
        - hedge_ratio * r_fut
        + case when funding = 'received' then hedge_ratio * funding_rate else 0 end
        - cost as r_all
    from netted
),

stopped as (
    select
        *,
        case when is_hedged then r_all end as r_net
    from summed
)

select
    step,
    row_index,
    ts,
    hedge_ratio,
    change_of_ratio,
    r_spot,
    r_fut,
    cost,
    r_net,
    case when returns_kind = 'log' then r_spot else {{ log_growth('r_spot') }} end
        as growth_spot,
    case when returns_kind = 'log' then r_net else {{ log_growth('r_net') }} end
        as growth_net
from stopped
