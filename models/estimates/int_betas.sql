-- One row per symbol, timeframe, estimator, beta_window, halflife and bar: what is
-- estimated from the rows before the bar, once for all strategies that ask for it.
-- Key: symbol, timeframe, estimator, beta_window, halflife, ts.
with
betas as (
    select * from {{ ref('int_ols_betas') }}
    union all
    select * from {{ ref('int_ewma_betas') }}
    union all
    select * from {{ ref('int_error_correction_betas') }}
)

select
    symbol,
    timeframe,
    estimator,
    beta_window,
    halflife,
    ts,
    beta
from betas
