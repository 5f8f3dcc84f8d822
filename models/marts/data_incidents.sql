-- One row per symbol, source, kind and start: what is wrong with the market data, or
-- with what follows from it. Consecutive bars are one incident; [ts, ts_end) is its
-- time. Severity `error` means that figures would be wrong: a test fails the build on
-- it.
with
incidents as (
    select * from {{ ref('int_input_incidents') }}
    union all
    select * from {{ ref('int_bar_incidents') }}
    union all
    select * from {{ ref('int_pair_incidents') }}
    union all
    select * from {{ ref('int_print_incidents') }}
    union all
    select * from {{ ref('int_sample_incidents') }}
)

select
    symbol,
    source,
    kind,
    ts,
    ts_end,
    cast(affected as bigint) as affected,
    severity,
    source || ': ' || detail as detail
from incidents
