-- One row per symbol, timeframe, strategy and component of var(r_net): the variance of
-- each part of the return, and twice each covariance. They add up to the hedged
-- variance.
{% set parts = return_parts() %}

with
returns as (select * from {{ ref('returns_decomposed') }}),

components as (
    {%- for part in parts %}
    select
        symbol,
        timeframe,
        strategy,
        '{{ part }}' as component,
        var_samp({{ part }}) as variance
    from returns
    group by symbol, timeframe, strategy
    {%- for other in parts[loop.index:] %}
    union all
    select
        symbol,
        timeframe,
        strategy,
        '2cov_{{ part }}_{{ other }}' as component,
        2 * {{ null_if_nan('covar_samp(' ~ part ~ ', ' ~ other ~ ')') }} as variance
    from returns
    group by symbol, timeframe, strategy
    {%- endfor %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    symbol,
    timeframe,
    strategy,
    component,
    variance
from components
