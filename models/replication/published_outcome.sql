-- One row per published figure: what the notebook told, and the same by its rules here.
-- Key: figure.
{% set hours_per_year = 8760 %}
{% set figures = {
    'correlation': ['0.9996899972362333', 'until the last print'],
    'variance_reduction_static': ['0.999380', 'all'],
    'variance_reduction_rolling': ['0.999391', 'all'],
    'variance_reduction': [
        '0.9241574551331468', 'hedged: until the last print; spot: all'
    ],
    'sharpe_spot': ['1.1786430305832287', 'all'],
    'sharpe': ['1.2416388103758633', 'until the last print'],
    'max_drawdown_spot': ['-0.3231069072207686', 'all'],
    'max_drawdown': ['-0.08065942584087182', 'until the last print'],
    'turnover': ['56.084537428910366', 'all'],
} %}

with
steps as (select * from {{ ref('published_steps') }}),
returns as (select * from {{ ref('published_returns') }}),

paths as (
    select
        *,
        sum(growth_spot) over to_date as path_spot,
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
        max(path_spot) over to_date as peak_spot,
        max(path_net) over to_date as peak_net
    from paths
    window to_date as (
        partition by step
        order by row_index
        rows between unbounded preceding and current row
    )
),

measured as (
    select
        steps.name,
        corr(
            case when peaked.r_net is not null then peaked.r_spot end,
            case when peaked.r_net is not null then peaked.r_fut end
        ) as correlation,
        1 - var_samp(peaked.r_net) / var_samp(peaked.r_spot) as variance_reduction,
        avg(peaked.r_spot) / stddev_samp(peaked.r_spot) * sqrt({{ hours_per_year }})
            as sharpe_spot,
        avg(peaked.r_net) / stddev_samp(peaked.r_net) * sqrt({{ hours_per_year }})
            as sharpe,
        exp(min(peaked.path_spot - peaked.peak_spot)) - 1 as max_drawdown_spot,
        exp(min(
            case
                when peaked.r_net is not null then peaked.path_net - peaked.peak_net
            end
        )) - 1 as max_drawdown,
        sum(peaked.change_of_ratio) as turnover
    from peaked
    inner join steps on peaked.step = steps.step
    group by steps.name
),

reproduced as (
    select
        published.*,
        static_step.variance_reduction as variance_reduction_static,
        rolling_step.variance_reduction as variance_reduction_rolling
    from measured as published
    cross join measured as static_step
    cross join measured as rolling_step
    where
        published.name = 'published'
        and static_step.name = 'static'
        and rolling_step.name = 'rolling'
),

compared as (
    {%- for figure, (published, rows) in figures.items() %}
    select
        '{{ figure }}' as figure,
        '{{ rows }}' as rows_used,
        cast({{ published }} as double) as published,
        {{ figure }} as reproduced
    from reproduced
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    figure,
    rows_used,
    published,
    reproduced,
    reproduced - published as difference
from compared
