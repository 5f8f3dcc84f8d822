-- One row per leg, symbol and input file: what was read from it, and the file's state then.
-- Bars of two sizes in one leg show up as two bar sizes. Key: leg, symbol, source_file.
with
input_files as (
    {{ input_files_query(input_rows(), 'select * from ' ~ ref('int_raw_runs')) }}
),

file_states as ({{ file_states() }})

select
    input_files.*,
    file_states.size_bytes,
    file_states.modified_ts
from input_files
left join file_states using (source_file)
