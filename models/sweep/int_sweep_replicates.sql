-- One row per market, strategy of the sweep and replicate: how far its difference in U to
-- the benchmark strays from its figure. The replicates draw the same
-- blocks as int_bootstrap_replicates, and there are none of a sample that holds too few.
-- Key: market, strategy, replicate.
{{ config(enabled=var('sweep') != '', materialized='view') }}

with
walks as (select * from {{ ref('int_sweep_walks') }})

select
    market,
    strategy,
    unnest(range(1, len(deviations) + 1)) as replicate,
    unnest(deviations) as deviation
from walks
