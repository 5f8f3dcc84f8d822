-- One row per symbol, timeframe and bar that both legs have. A return over a gap is real
-- money, so it stays here; estimates leave it out through is_gap.
select
    symbol,
    timeframe,
    ts,
    close_spot,
    close_perp,
    (close_perp / close_spot - 1) * 1e4 as basis_bps,
    r_spot,
    r_fut,
    funding_rate,
    bars_elapsed,
    is_gap
from {{ ref('int_merged_bars') }}
where not is_next_bar
