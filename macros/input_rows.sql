{% macro bar_rows() -%}
    select 'spot' as leg, *
    from {{ ref('stg_spot_bars') }}
    union all
    select 'perp' as leg, *
    from {{ ref('stg_perp_bars') }}
{%- endmacro %}


{% macro input_rows() -%}
    {%- set columns = 'symbol, ts, time_unit, is_usable, source_file, source_row' -%}
    select leg, {{ columns }}
    from ({{ bar_rows() }}) as bar_rows
    union all
    select 'funding' as leg, {{ columns }}
    from {{ ref('stg_funding_prints') }}
{%- endmacro %}
