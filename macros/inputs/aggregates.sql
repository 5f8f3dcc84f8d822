{#-
    The value in the first (last) row of a group by some order; NULL values are passed
    over.
-#}
{% macro first_by(value, order_by) -%}
    arg_min({{ value }}, {{ order_by }})
{%- endmacro %}


{% macro last_by(value, order_by) -%}
    arg_max({{ value }}, {{ order_by }})
{%- endmacro %}


{#- The distinct texts of a group, in order, with commas between. -#}
{% macro joined_text(value) -%}
    string_agg(distinct {{ value }}, ',' order by {{ value }})
{%- endmacro %}


{#-
    Several values as one, to compare or count them together; NULL is a value within it.
-#}
{% macro row_of() -%}
    row({{ varargs | join(', ') }})
{%- endmacro %}
