-- A bar must be made of whole raw bars, or its close is of another instant than its end.
select
    leg,
    symbol,
    raw_step_ms,
    {{ timeframe_ms() }} as timeframe_ms
from {{ ref('int_raw_steps') }}
where raw_step_ms is null or {{ timeframe_ms() }} % raw_step_ms <> 0
