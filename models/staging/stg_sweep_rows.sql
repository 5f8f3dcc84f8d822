-- One row per row of the sweep's file, typed. A column that the file does not have is
-- NULL throughout, and a missing estimator is `rolling`.
{{ config(enabled=var('sweep') != '') }}

{% set columns = fromjson(strategy_columns()) %}
{% set no_value = 'cast(null as varchar)' %}

with
every_column as (
    select {{ no_value }} as {{ columns | join(', ' ~ no_value ~ ' as ') }}
    where false
    union all by name
    select * from {{ sweep_file_texts(var('sweep')) }}
),

trimmed as (select nullif(trim(columns(*)), '') from every_column)

select
    * replace (
        coalesce(estimator, 'rolling') as estimator
        {%- for name, type in columns.items() if type != 'varchar' %},
        cast({{ name }} as {{ type }}) as {{ name }}
        {%- endfor %}
    )
from trimmed
