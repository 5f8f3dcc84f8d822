-- One row per leg, symbol and raw bar: the usable rows of the input, each time once.
-- A view, since each of its readers takes few of its columns: to write all of them down
-- takes longer than to read the files once more. Key: leg, symbol, ts.
{{ config(materialized='view') }}

{% set columns = ['leg', 'symbol', 'ts', 'open', 'high', 'low', 'close', 'volume'] %}

select
    {%- for name in columns %}
    input_rows.{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from ({{ bar_rows() }}) as input_rows
left join {{ ref('int_copied_bars') }} as copied
    on input_rows.leg = copied.leg
    and input_rows.symbol = copied.symbol
    and input_rows.ts = copied.ts
where input_rows.is_usable and copied.ts is null
union all
select {{ columns | join(', ') }}
from {{ ref('int_copied_bars') }}
