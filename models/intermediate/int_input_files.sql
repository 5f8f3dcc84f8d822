-- One row per leg, symbol and input file: what was read from it.
-- Bars of two sizes in one leg show up as two bar sizes. Key: leg, symbol, source_file.
{% set input_rows %}
        select 'spot' as leg, symbol, source_file, ts, is_usable
        from {{ ref('stg_spot_bars') }}
        union all
        select 'perp' as leg, symbol, source_file, ts, is_usable
        from {{ ref('stg_perp_bars') }}
        union all
        select 'funding' as leg, symbol, source_file, ts, is_usable
        from {{ ref('stg_funding_prints') }}
{% endset %}

{{ input_files_query(input_rows) }}
