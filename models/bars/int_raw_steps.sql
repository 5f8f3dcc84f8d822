-- One row per leg of bars and symbol: the spacing of its raw bars and their span.
-- Key: leg, symbol.
select
    leg,
    symbol,
    max(raw_step_ms) as raw_step_ms,
    min(first_ts) as first_ts,
    max(last_ts) as last_ts
from {{ ref('int_input_files') }}
where leg <> 'funding' and usable_rows > 0
group by leg, symbol
