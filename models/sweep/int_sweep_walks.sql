-- One row per symbol, timeframe, strategy of the sweep and stretch of bars: what its walk
-- carries along to the stretch's start, sums and extremes so far. The row after the last
-- stretch is the end. Key: symbol, timeframe, strategy, stretch.
{{ config(enabled=var('sweep') != '') }}

{{ sweep_walks(ref('int_sweep_starts'), ref('int_sweep_stretches')) }}
