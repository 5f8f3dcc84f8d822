-- One row per market: slope and correlation over all usable rows. In-sample by
-- definition, warm-up included: what the static strategy uses, looking ahead. Key:
-- market.
select
    market,
    {{ exact_slope('usable_r_spot', 'usable_r_fut') }} as beta,
    {{ 'cast(null as double)' if perp_is_proxy()
        else exact_correlation('usable_r_spot', 'usable_r_fut') }} as correlation
from {{ ref('int_merged_bars') }}
group by market
