-- A symbol without an evaluated bar would vanish from every result without a word: it
-- has fewer bars than a window, or too many gaps. No symbol at all is a failure as well.
select
    symbol,
    timeframe,
    merged_bars
from {{ ref('int_samples') }}
where evaluated_bars = 0
union all
select
    'no symbol has bars in every leg' as symbol,
    '{{ var("timeframe") }}' as timeframe,
    0 as merged_bars
where not exists (select 1 from {{ ref('int_samples') }})
