{#-
    One pass and one node of dbt for all of it. Without a key, rows are not counted: those
    of an ordered pass are unique already (in_order), and to group them by names takes
    longer than to make them.
-#}
{% test sound(model, key=[], filled=[], known=[], nullable=[], holds=[]) %}
with
judged as (
    select
        {%- for column in key or filled %}
        {{ column }},
        {%- endfor %}
        case
            when false then null
            {%- for column in filled %}
            when {{ column }} is null then '{{ column }} is NULL'
            {%- endfor %}
            {%- for column in known %}
            when not {{ is_finite(column) }} then '{{ column }} is not finite'
            {%- endfor %}
            {%- for column in nullable %}
            when {{ column }} is not null and not {{ is_finite(column) }}
                then '{{ column }} is not finite'
            {%- endfor %}
            {%- for condition in holds %}
            when not coalesce({{ condition }}, false) then {{ sql_text(condition) }}
            {%- endfor %}
        end as fault
    from {{ model }}
)

{% if key %}
select
    {{ key | join(', ') }},
    count(*) as rows_with_this_key,
    max(fault) as fault
from judged
group by {{ key | join(', ') }}
having count(*) > 1 or max(fault) is not null
{% else %}
select *
from judged
where fault is not null
{% endif %}
{% endtest %}
