-- One row per row of the funding files: typed, in UTC to the second, with its place.
-- Rows are only marked here (is_usable); int_funding_prints drops and deduplicates.
{{ prints_from_files(input_layouts('funding')) }}
