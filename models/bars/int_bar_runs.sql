-- One row per leg of bars, symbol and run of raw bars that are all on the grid of their
-- step, or all off it; each time once. Key: leg, symbol, end_ts.
with
runs as (
    select
        raw_runs.leg, raw_runs.symbol, raw_runs.end_ts,
        coalesce(raw_runs.spacing_us, 0) as spacing_us,
        raw_runs.run_rows as bars,
        raw_steps.raw_step_ms,
        raw_runs.run_rows > 1
        and raw_runs.spacing_us % (1000 * raw_steps.raw_step_ms) <> 0 as is_mixed
    from {{ ref('int_raw_runs') }} as raw_runs
    inner join {{ ref('int_raw_steps') }} as raw_steps
        on raw_runs.leg = raw_steps.leg
        and raw_runs.symbol = raw_steps.symbol
    where raw_runs.spacing_us is distinct from 0
),

-- a run of another spacing may cross the grid: bar by bar
parts as (
    select
        leg, symbol, end_ts, spacing_us, bars, raw_step_ms
    from runs
    where is_mixed is not true
    union all
    select
        leg,
        symbol,
        end_ts - to_microseconds(unnest(range(bars)) * spacing_us) as end_ts,
        0 as spacing_us,
        1 as bars,
        raw_step_ms
    from runs
    where is_mixed
)

select
    leg,
    symbol,
    end_ts,
    spacing_us,
    bars,
    raw_step_ms,
    {{ is_on_grid('end_ts', 'raw_step_ms') }} as is_on_grid
from parts
