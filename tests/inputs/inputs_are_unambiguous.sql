-- What scripts.inputs rejects, for a plain `dbt build`: a symbol or a strategy that is
-- not a plain name, a symbol in two spellings, and one file as both legs.
with
input_files as (select * from {{ ref('int_input_files') }}),
strategies as (select strategy from {{ ref('hedge_strategies') }})

select
    'a symbol is not a plain name' as fault,
    symbol as found,
    min(source_file) as source_file
from input_files
where not {{ is_plain_name('symbol') }}
group by symbol

union all

select
    'a strategy is not a plain name' as fault,
    strategy as found,
    null as source_file
from strategies
where not {{ is_plain_name('strategy') }}

union all

select
    'symbols differ in letter case only' as fault,
    min(symbol) as found,
    min(source_file) as source_file
from input_files
group by lower(symbol)
having count(distinct symbol) > 1

union all

select
    'spot and perp are one file' as fault,
    min(symbol) as found,
    source_file
from input_files
where leg <> 'funding'
group by source_file
having count(distinct leg) > 1
