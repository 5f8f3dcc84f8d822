-- One row per leg, symbol and raw bar: the usable rows of the input, each time once.
-- A view, since each of its readers takes few of its columns: to write all of them down
-- takes longer than to read the files once more. Joined by file, so that the bars of one
-- symbol are read from its files alone. Key: leg, symbol, ts.
{{ config(materialized='view') }}

{% set columns = ['leg', 'symbol', 'ts', 'open', 'high', 'low', 'close', 'volume'] %}

select
    {%- for name in columns %}
    input_rows.{{ name }},
    {%- endfor %}
    input_files.raw_step_ms
from ({{ bar_rows() }}) as input_rows
inner join {{ ref('int_input_files') }} as input_files
    on input_rows.leg = input_files.leg
    and input_rows.symbol = input_files.symbol
    and input_rows.source_file = input_files.source_file
anti join {{ ref('int_copied_bars') }} as copied
    on input_rows.leg = copied.leg
    and input_rows.symbol = copied.symbol
    and input_rows.ts = copied.ts
where input_rows.is_usable
union all
select
    {%- for name in columns %}
    copied.{{ name }},
    {%- endfor %}
    raw_steps.raw_step_ms
from {{ ref('int_copied_bars') }} as copied
inner join {{ ref('int_raw_steps') }} as raw_steps
    on copied.leg = raw_steps.leg
    and copied.symbol = raw_steps.symbol
