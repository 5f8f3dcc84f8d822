-- One row per market, estimator, beta_window, halflife and bar: what is estimated
-- from the rows before the bar, once for all strategies that ask for it.
-- Key: market, estimator, beta_window, halflife, row_index.
with
betas as (
    select * from {{ ref('int_ols_betas') }}
    union all
    select * from {{ ref('int_ewma_betas') }}
    union all
    select * from {{ ref('int_error_correction_betas') }}
)

select
    market,
    estimator,
    beta_window,
    halflife,
    row_index,
    beta
from betas
