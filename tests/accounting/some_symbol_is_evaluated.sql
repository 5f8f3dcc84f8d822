select
    count(*) as symbols,
    coalesce(max(merged_bars), 0) as most_merged_bars
from {{ ref('int_samples') }}
having coalesce(max(evaluated_bars), 0) = 0
