-- One row per step from the published variance reduction to that of this project: what
-- changed, by how much, and the rule that forbids it. Key: step. The order is a choice:
-- in another one the same rules have other shares. The last steps are hedge_metrics', of
-- the same files.
with
steps as (select * from {{ ref('published_steps') }}),
returns as (select * from {{ ref('published_returns') }}),
hedge_metrics as (select * from {{ ref('hedge_metrics') }}),

paths as (
    select
        *,
        sum(growth_net) over to_date as path_net
    from returns
    window to_date as (
        partition by step
        order by row_index
        rows between unbounded preceding and current row
    )
),

peaked as (
    select
        *,
        greatest(0, max(path_net) over (
            partition by step
            order by row_index
            rows between unbounded preceding and current row
        )) as peak_net
    from paths
),

replicated as (
    select
        step,
        count(r_net) as bars,
        1 - var_samp(r_net) / var_samp(r_spot) as variance_reduction,
        exp(min(case when r_net is not null then path_net - peak_net end)) - 1
            as max_drawdown
    from peaked
    group by step
),

joined as (
    select
        steps.step, steps.name, steps.rule,
        case when steps.strategy is null then 'replication' else 'hedge_metrics' end
            as source,
        coalesce(hedge_metrics.bars, replicated.bars) as bars,
        coalesce(hedge_metrics.variance_reduction, replicated.variance_reduction)
            as variance_reduction,
        coalesce(hedge_metrics.max_drawdown, replicated.max_drawdown) as max_drawdown,
        steps.project_rule
    from steps
    left join replicated on steps.step = replicated.step
    left join hedge_metrics on steps.strategy = hedge_metrics.strategy
)

select
    step,
    name,
    rule,
    source,
    bars,
    variance_reduction,
    variance_reduction - lag(variance_reduction) over (order by step) as change,
    max_drawdown,
    project_rule
from joined
