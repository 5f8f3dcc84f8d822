{% macro asof_left_join(relation, alias, key, ts, as_of) -%}
    asof left join {{ relation }} as {{ alias }}
        on {{ key }} = {{ alias }}.{{ key.split('.') | last }}
        and {{ ts }} >= {{ alias }}.{{ as_of }}
{%- endmacro %}
