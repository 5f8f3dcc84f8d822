-- One row per leg, symbol and input file: what was read from it.
-- Bars of two sizes in one leg show up as two bar sizes. Key: leg, symbol, source_file.
{{ input_files_query(input_rows(), 'select * from ' ~ ref('int_raw_runs')) }}
