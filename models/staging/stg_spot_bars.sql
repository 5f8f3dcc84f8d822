-- One row per row of the spot files: typed, in UTC, with the place it came from.
-- Rows are only marked here (is_usable); int_raw_bars drops and deduplicates.
{{ bars_from_files(input_layouts('spot')) }}
