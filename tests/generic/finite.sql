{% test finite(model, known=[], nullable=[]) %}
select *
from {{ model }}
where
    false
    {%- for column in known %}
    or not {{ is_finite(column) }}
    {%- endfor %}
    {%- for column in nullable %}
    or ({{ column }} is not null and not {{ is_finite(column) }})
    {%- endfor %}
{% endtest %}
