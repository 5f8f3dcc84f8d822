select
    raw_steps.leg,
    raw_steps.symbol,
    raw_steps.raw_step_ms,
    timeframes.timeframe
from {{ ref('int_raw_steps') }} as raw_steps
cross join ({{ timeframe_rows() }}) as timeframes
where
    raw_steps.raw_step_ms is null
    or {{ ms_of_timeframe('timeframes.timeframe') }} % raw_steps.raw_step_ms <> 0
