{% macro run_of(place, partition_by) -%}
    {{ place }} - row_number() over (partition by {{ partition_by }} order by {{ place }})
{%- endmacro %}
