-- One row per market and bar with a realized volatility: the third of all volatilities
-- known before the bar that its own, of the rows before it, falls into. Later bars never
-- move it. Key: market, row_index.
{% set least_known = 30 %}

with
realized_vols as (
    select realized_vols.*
    from {{ ref('int_realized_vols') }} as realized_vols
    inner join {{ ref('int_samples') }} as samples
        on realized_vols.market = samples.market
    where
        realized_vols.vol_window
        = {{ window_rows("'" ~ window_var('vol_window') ~ "'", 'samples.timeframe') }}
        and realized_vols.realized_vol is not null
),

compared as (
    select
        market, row_index, realized_vol,
        count(*) over to_date - 1 as known,
        {{ smaller_before('realized_vol', 'to_date') }} as smaller
    from realized_vols
    window to_date as (
        partition by market
        order by row_index
        rows between unbounded preceding and current row
    )
)

select
    market,
    row_index,
    realized_vol,
    known as vols_known,
    smaller as vols_smaller,
    case
        when known < {{ least_known }} then null
        when 3 * smaller < known then 'low'
        when 3 * smaller < 2 * known then 'middle'
        else 'high'
    end as regime
from compared
