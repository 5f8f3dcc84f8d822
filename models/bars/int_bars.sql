-- One row per leg, symbol, timeframe and resampled bar, named by its open time.
-- A bar without its last raw bar does not exist: its close would be of another instant.
-- Raw bars off the grid of their step are left out. A view, since only the snapshots of a
-- run folder need more of a bar than its close. Key: leg, symbol, timeframe, ts.
{{ config(materialized='view') }}

with
on_grid as (
    select * from {{ ref('int_raw_bars') }}
    where {{ is_on_grid('ts', 'raw_step_ms') }}
)

{% for timeframe in fromjson(built_timeframes()) %}
{%- set ms = fromjson(timeframes_ms())[timeframe] %}
{{ 'union all' if not loop.first }}
select
    leg,
    symbol,
    '{{ timeframe }}' as timeframe,
    {{ bar_open('ts', ms) }} as ts,
    {{ first_by('open', 'ts') }} as open,
    max(high) as high,
    min(low) as low,
    {{ last_by('close', 'ts') }} as close,
    -- in order of time: the same input gives the same bytes
    sum(volume order by ts) as volume,
    count(*) as raw_bars
from on_grid
group by leg, symbol, {{ bar_open('ts', ms) }}, raw_step_ms
having max(ts) = {{ add_ms(bar_open('ts', ms), ms ~ ' - raw_step_ms') }}
{%- endfor %}
