-- One row per leg, symbol, timeframe and resampled bar, named by its open time.
-- A bar without its last raw bar does not exist: its close would be of another instant.
-- Key: leg, symbol, timeframe, ts.
with
raw_bars as (select * from {{ ref('int_raw_bars') }}),
raw_steps as (select * from {{ ref('int_raw_steps') }}),

bucketed as (
    select
        leg,
        symbol,
        '{{ var("timeframe") }}' as timeframe,
        {{ bar_open('ts', timeframe_ms()) }} as bar_ts,
        {{ first_by('open', 'ts') }} as open,
        max(high) as high,
        min(low) as low,
        {{ last_by('close', 'ts') }} as close,
        sum(volume) as volume,
        count(*) as raw_bars,
        max(ts) as last_raw_ts
    from raw_bars
    group by leg, symbol, bar_ts
)

select
    bucketed.leg,
    bucketed.symbol,
    bucketed.timeframe,
    bucketed.bar_ts as ts,
    bucketed.open,
    bucketed.high,
    bucketed.low,
    bucketed.close,
    bucketed.volume,
    bucketed.raw_bars
from bucketed
inner join raw_steps
    on bucketed.leg = raw_steps.leg
    and bucketed.symbol = raw_steps.symbol
where
    bucketed.last_raw_ts
    = {{ add_ms('bucketed.bar_ts', timeframe_ms() ~ ' - raw_steps.raw_step_ms') }}
