-- One row per series with enough blocks: the long-run variance of r_net per bar, with
-- Bartlett weights over a block's length of lags (Newey & West 1987), by an identity:
-- the mean square of all sums over lags + 1 bars in a row, bars outside the sample
-- counting 0. Key: series.
with
ordered as (
    select
        *,
        {{ block_bars('timeframe') }} as lags
    from {{ ref('int_running_sums') }}
    where
        line > 0
        and place <= bars
        and bars >= {{ least_blocks() }} * {{ block_bars('timeframe') }}
    order by line, place
),

lagged as (
    select
        *,
        total - {{ lag_of_block('total', 1) }} as of_window
    from ordered
),

numbered as (
    select
        line,
        {{ in_order('line', 'place') }} as place,
        bars, lags, deviation, total, of_window,
        {{ is_first_of('line') }} as is_first
    from lagged
),

from_start as (
    select
        *,
        {{ since_first('total', 'deviation', 'is_first') }} as own_total
    from numbered
    window to_date as (rows unbounded preceding)
),

window_sums as (
    select
        line, bars, lags,
        {{ from_fixed('case when place > lags + 1 then of_window else own_total end') }}
            as net,
        -- windows that reach over the sample's end: the whole sums up to 0
        {{ from_fixed('case when place >= bars - lags then own_total end') }}
            as net_at_end
    from from_start
)

select
    line as series,
    bars,
    ({{ exact_sum('net * net') }} + {{ exact_sum('net_at_end * net_at_end') }})
    / (bars * (lags + 1)) as long_run_var
from window_sums
group by line, bars, lags
