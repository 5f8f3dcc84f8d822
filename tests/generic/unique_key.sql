{% test unique_key(model, key) %}
select
    {{ key | join(', ') }},
    count(*) as rows_with_this_key
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
{% endtest %}
