{#-
    Fails on rows with a NaN or an infinity.

    known: columns that must not be NULL either; nullable: columns that may.
-#}
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
