-- A slope needs three rows, a standard deviation two, and a target must be positive.
select
    strategy,
    beta_window,
    vol_window,
    vol_target
from {{ ref('int_strategies') }}
where beta_window < 3 or vol_window < 2 or not (vol_target > 0)
