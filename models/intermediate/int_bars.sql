-- One row per leg, symbol, timeframe and resampled bar, named by its open time.
-- A bar without its last raw bar does not exist: its close would be of another instant.
-- Raw bars off the grid of their step are left out. Key: leg, symbol, timeframe, ts.
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),
raw_steps as (select * from {{ ref('int_raw_steps') }}),

bucketed as (
    select
        raw_bars.*,
        raw_steps.raw_step_ms,
        {{ bar_open('raw_bars.ts', timeframe_ms()) }} as bar_ts
    from raw_bars
    inner join raw_steps
        on raw_bars.leg = raw_steps.leg
        and raw_bars.symbol = raw_steps.symbol
    where {{ is_on_grid('raw_bars.ts', 'raw_steps.raw_step_ms') }}
)

select
    leg,
    symbol,
    '{{ var("timeframe") }}' as timeframe,
    bar_ts as ts,
    {{ first_by('open', 'ts') }} as open,
    max(high) as high,
    min(low) as low,
    {{ last_by('close', 'ts') }} as close,
    sum(volume) as volume,
    count(*) as raw_bars
from bucketed
group by leg, symbol, bar_ts, raw_step_ms
having max(ts) = {{ add_ms('bar_ts', timeframe_ms() ~ ' - raw_step_ms') }}
