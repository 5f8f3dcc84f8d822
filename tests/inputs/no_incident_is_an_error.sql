select
    symbol,
    source,
    kind,
    ts,
    detail
from {{ ref('data_incidents') }}
where severity = 'error'
