{#-
    A sum of doubles depends on their order in the last digits, and with several threads
    the order differs from build to build. Whole numbers of 2^-90 (8e-28) add up exactly
    in any order, so that two builds of the same files give the same bytes. Beyond 1.4e11
    the cast fails: no sum of returns is as large.
-#}
{% macro fixed_unit() -%}
    1237940039285380274899124224.0
{%- endmacro %}


{% macro fixed(value) -%}
    cast(({{ value }}) * {{ fixed_unit() }} as hugeint)
{%- endmacro %}


{% macro from_fixed(value) -%}
    (({{ value }}) / {{ fixed_unit() }})
{%- endmacro %}


{% macro exact_sum(value) -%}
    (sum({{ fixed(value) }}) / {{ fixed_unit() }})
{%- endmacro %}


{% macro exact_mean(value) -%}
    ({{ exact_sum(value) }} / count({{ value }}))
{%- endmacro %}


{#- Squares that differ from the mean's by rounding alone are no variance. -#}
{% macro sample_variance(total, squares, rows) -%}
    (
        case
            when {{ squares }} - {{ total }} * {{ total }} / nullif({{ rows }}, 0)
                > 1e-14 * {{ squares }}
                then {{ squares }} - {{ total }} * {{ total }} / {{ rows }}
            when {{ rows }} > 1 then 0
        end / nullif({{ rows }} - 1, 0)
    )
{%- endmacro %}


{% macro exact_variance(value) -%}
    {{ sample_variance(
        exact_sum(value),
        exact_sum('(' ~ value ~ ') * (' ~ value ~ ')'),
        'count(' ~ value ~ ')'
    ) }}
{%- endmacro %}


{#- Of the rows that have both. -#}
{% macro exact_covariance(a, b) -%}
    {%- set a_of_pairs = 'case when (' ~ b ~ ') is not null then ' ~ a ~ ' end' -%}
    {%- set b_of_pairs = 'case when (' ~ a ~ ') is not null then ' ~ b ~ ' end' -%}
    {%- set product = '(' ~ a ~ ') * (' ~ b ~ ')' -%}
    (
        (
            {{ exact_sum(product) }}
            - {{ exact_sum(a_of_pairs) }} * {{ exact_sum(b_of_pairs) }}
            / nullif(count({{ product }}), 0)
        )
        / nullif(count({{ product }}) - 1, 0)
    )
{%- endmacro %}


{% macro exact_slope(y, x) -%}
    {%- set x_of_pairs = 'case when (' ~ y ~ ') is not null then ' ~ x ~ ' end' -%}
    {{ exact_covariance(y, x) }} / nullif({{ exact_variance(x_of_pairs) }}, 0)
{%- endmacro %}


{% macro exact_correlation(a, b) -%}
    {%- set a_of_pairs = 'case when (' ~ b ~ ') is not null then ' ~ a ~ ' end' -%}
    {%- set b_of_pairs = 'case when (' ~ a ~ ') is not null then ' ~ b ~ ' end' -%}
    {{ exact_covariance(a, b) }} / nullif(
        sqrt({{ exact_variance(a_of_pairs) }} * {{ exact_variance(b_of_pairs) }}), 0
    )
{%- endmacro %}
