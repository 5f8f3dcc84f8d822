-- Without an evaluated bar there is no result, and every other test would pass on
-- nothing. A single symbol that is too short, or has too many gaps, is an incident
-- (not_evaluated).
select
    count(*) as symbols,
    coalesce(max(merged_bars), 0) as most_merged_bars
from {{ ref('int_samples') }}
having coalesce(max(evaluated_bars), 0) = 0
