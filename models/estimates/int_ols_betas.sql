-- One row per market, estimator (rolling, expanding), window and bar: the OLS slope of
-- r_spot on r_fut over the rows before the bar. The frame ends one row before it: nothing
-- of bar t is in beta(t). An expanding frame begins with the first row.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

windows as (
    select distinct
        timeframe, estimator, beta_window,
        case when estimator = 'expanding' then {{ every_row() }} else beta_window end
            as frame_rows
    from {{ all_strategies() }}
    where estimator in ('rolling', 'expanding')
)

select
    merged_bars.market,
    windows.estimator,
    windows.beta_window,
    0 as halflife,
    merged_bars.row_index,
    case
        when {{ is_frame_usable('usable_r_fut', 'rows_before', 'beta_window') }}
            then {{ slope('usable_r_spot', 'usable_r_fut', over='rows_before') }}
    end as beta
from merged_bars
inner join windows on merged_bars.timeframe = windows.timeframe
where {{ takes_a_ratio() }}
window rows_before as (
    partition by merged_bars.market, windows.estimator, windows.beta_window
    order by merged_bars.row_index
    {{ rows_before('frame_rows') }}
)
