-- One row per leg, symbol and run of usable rows that are equally far apart in time, the
-- leg's files taken together. Key: leg, symbol, end_ts, spacing_us.
{{ raw_runs_query(input_rows()) }}
