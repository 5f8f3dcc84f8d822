{#- One pass and one node of dbt for both: apart, they would take half a second more. -#}
{% test sound(model, key, known=[], nullable=[]) %}
with
judged as (
    select
        {{ key | join(', ') }},
        case
            when false then null
            {%- for column in known %}
            when not {{ is_finite(column) }} then '{{ column }}'
            {%- endfor %}
            {%- for column in nullable %}
            when {{ column }} is not null and not {{ is_finite(column) }}
                then '{{ column }}'
            {%- endfor %}
        end as not_finite
    from {{ model }}
)

select
    {{ key | join(', ') }},
    count(*) as rows_with_this_key,
    max(not_finite) as not_finite
from judged
group by {{ key | join(', ') }}
having count(*) > 1 or max(not_finite) is not null
{% endtest %}
