select
    leg,
    symbol,
    min(smallest_bar_size_ms) as smallest_bar_size_ms,
    max(largest_bar_size_ms) as largest_bar_size_ms,
    count(*) as files
from {{ ref('int_input_files') }}
where leg <> 'funding'
group by leg, symbol
having min(smallest_bar_size_ms) <> max(largest_bar_size_ms)
