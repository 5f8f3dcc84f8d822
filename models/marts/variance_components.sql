-- One row per symbol, timeframe, strategy and component of var(r_net): the variance of
-- each part of the return, and twice each covariance. They add up to the hedged
-- variance.
{% set parts = return_parts() %}
{% set components = [] %}
{% for part in parts %}
{% do components.append([part, 'var_' ~ part]) %}
{% for other in parts[loop.index:] %}
{% set pair = part ~ '_' ~ other %}
{% do components.append(['2cov_' ~ pair, 'cov_' ~ pair]) %}
{% endfor %}
{% endfor %}

with
moments as (select * from {{ ref('int_moments') }}),
series as (select * from {{ ref('int_series') }}),

components as (
    {%- for component, column in components %}
    select
        series,
        '{{ component }}' as component,
        {{ column }} as variance
    from moments
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
)

select
    series.symbol,
    series.timeframe,
    series.strategy,
    components.component,
    components.variance
from components
inner join series on components.series = series.series
