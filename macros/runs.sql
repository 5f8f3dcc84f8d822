{#-
    A number that rows share as long as their places follow each other without a hole.

    place: an integer column; partition_by: the series that it counts in.
-#}
{% macro run_of(place, partition_by) -%}
    {{ place }} - row_number() over (partition by {{ partition_by }} order by {{ place }})
{%- endmacro %}
