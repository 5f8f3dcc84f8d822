-- An incident of severity `error` makes figures wrong; others are only counted.
select
    symbol,
    source,
    kind,
    ts,
    detail
from {{ ref('data_incidents') }}
where severity = 'error'
