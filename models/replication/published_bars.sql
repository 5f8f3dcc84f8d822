-- One row per kind of return and hourly row, as the published notebook had them: no gap,
-- no resampling, row 0 is the first with a return. Key: returns_kind, row_index.
with
spot_bars as (select * from {{ ref('stg_spot_bars') }} where is_usable),
perp_bars as (select * from {{ ref('stg_perp_bars') }} where is_usable),
prints as (select * from {{ ref('stg_funding_prints') }} where is_usable),

-- files that overlap hold a bar twice
spot as (
    select symbol, ts, {{ last_by('close', 'source_row') }} as close
    from spot_bars
    group by symbol, ts
),

perp as (
    select symbol, ts, {{ last_by('close', 'source_row') }} as close
    from perp_bars
    group by symbol, ts
),

closes as (
    select
        spot.symbol,
        spot.ts,
        spot.close as close_spot,
        perp.close as close_perp
    from spot
    inner join perp
        on spot.symbol = perp.symbol
        and spot.ts = perp.ts
),

funded as (
    select
        closes.symbol,
        closes.ts,
        closes.close_spot / lag(closes.close_spot) over by_time as growth_spot,
        closes.close_perp / lag(closes.close_perp) over by_time as growth_perp,
        -- a print of 8 hours, by the hour; nothing before the first
        coalesce(prints.funding_rate / 8, 0) as funding_rate,
        closes.ts <= (select max(prints.ts) from prints) as is_until_last_print
    from closes
    {{ asof_left_join(
        'prints', 'prints', key='closes.symbol', ts='closes.ts', as_of='ts'
    ) }}
    window by_time as (order by closes.ts)
),

returned as (
    select
        *,
        'log' as returns_kind,
        ln(growth_spot) as r_spot,
        ln(growth_perp) as r_fut
    from funded
    where growth_spot is not null
    union all
    select
        *,
        'simple' as returns_kind,
        growth_spot - 1 as r_spot,
        growth_perp - 1 as r_fut
    from funded
    where growth_spot is not null
)

select
    returns_kind,
    row_number() over (partition by returns_kind order by ts) - 1 as row_index,
    symbol,
    ts,
    r_spot,
    r_fut,
    funding_rate,
    is_until_last_print
from returned
