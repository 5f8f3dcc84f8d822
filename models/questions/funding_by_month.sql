-- The net return of each month by its sources: funding, fees, basis and unhedged spot.
select
    symbol,
    timeframe,
    strategy,
    month,
    round(funding, 6) + 0.0 as funding,
    round(fees, 6) + 0.0 as fees,
    round(basis, 6) + 0.0 as basis,
    round(unhedged, 6) + 0.0 as unhedged,
    round(net, 6) + 0.0 as net
from {{ ref('carry_attribution') }}
order by symbol, timeframe, strategy, month
