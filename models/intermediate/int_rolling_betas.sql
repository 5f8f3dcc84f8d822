-- One row per symbol, timeframe, beta window and bar: the OLS slope of r_spot on r_fut
-- over the rows before the bar. The frame ends one row before it: nothing of bar t is in
-- beta(t). Key: symbol, timeframe, beta_window, ts.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

windows as (
    select distinct beta_window
    from {{ ref('int_strategies') }}
    where estimator = 'rolling'
)

select
    symbol,
    timeframe,
    beta_window,
    ts,
    case
        when {{ is_frame_usable('usable_r_fut', 'rows_before', 'beta_window') }}
            then {{ slope('usable_r_spot', 'usable_r_fut', over='rows_before') }}
    end as beta
from merged_bars
cross join windows
where {{ takes_a_ratio() }}
window rows_before as (
    partition by symbol, timeframe, beta_window
    order by ts
    {{ rows_before('beta_window') }}
)
