{#-
    A left join that gives each row the latest row of another table that is not later.

    relation: the other table; alias: its name in the query; key: the column to be equal;
    ts: this side's time; as_of: the other side's time column.
-#}
{% macro asof_left_join(relation, alias, key, ts, as_of) -%}
    asof left join {{ relation }} as {{ alias }}
        on {{ key }} = {{ alias }}.{{ key.split('.') | last }}
        and {{ ts }} >= {{ alias }}.{{ as_of }}
{%- endmacro %}
