-- One row per leg, symbol and input file: what was read from it, and its state then.
-- Bars of two sizes in one leg show up as two bar sizes.
-- Key: leg, symbol, source_file.
with
input_files as (
    {{ input_files_query(input_rows(), 'select * from ' ~ ref('int_raw_runs')) }}
),

file_states as ({{ file_states() }})

select
    input_files.leg,
    input_files.symbol,
    input_files.source_file,
    input_files.input_rows,
    input_files.usable_rows,
    input_files.rows_without_time,
    input_files.rows_on_grid,
    input_files.first_ts,
    input_files.last_ts,
    input_files.smallest_bar_size_ms,
    input_files.largest_bar_size_ms,
    input_files.raw_step_ms,
    file_states.size_bytes,
    file_states.modified_ts
from input_files
left join file_states using (source_file)
