-- One ordered pass over all positions, as they are stored.
with
ordered as (
    select
        positions.series,
        positions.row_index,
        positions.hedge_ratio,
        positions.trade,
        positions.row_index - series.start_row as bar_index,
        targets.hedge_ratio as target,
        series.rebalance_band,
        series.rebalance_every,
        series.min_trade,
        merged_bars.r_spot,
        merged_bars.r_fut
    from {{ ref('int_positions') }} as positions
    inner join {{ ref('int_series') }} as series on positions.series = series.series
    inner join {{ ref('int_targets') }} as targets
        on series.market = targets.market
        and series.target = targets.target
        and positions.row_index = targets.row_index
    inner join {{ ref('int_merged_bars') }} as merged_bars
        on series.market = merged_bars.market
        and positions.row_index = merged_bars.row_index
    order by positions.series, positions.row_index
),

held as (
    select
        *,
        {{ in_order('series', 'row_index') }} as row_in_order,
        case
            when bar_index > 0
                then
                    {{ drifted_ratio(
                        'lag(hedge_ratio) over ()', 'lag(r_fut) over ()',
                        'lag(r_spot) over ()'
                    ) }}
        end as drifted
    from ordered
)

select
    series,
    row_in_order as row_index,
    bar_index,
    target,
    drifted,
    hedge_ratio,
    trade
from held
where
    not coalesce(abs(hedge_ratio - coalesce(drifted, 0) - trade) < 1e-9, false)
    or (trade <> 0 and hedge_ratio <> target)
    or (bar_index = 0 and hedge_ratio <> target)
    or (
        bar_index > 0
        and trade <> 0
        and (
            abs(trade) < rebalance_band - 1e-12
            or abs(trade) < min_trade - 1e-12
            or rebalance_every = 0
            or bar_index % nullif(rebalance_every, 0) <> 0
        )
    )
    -- 1e-9: prices that drift by rounding alone
    or (
        trade = 0
        and bar_index > 0
        and (rebalance_every > 0 and bar_index % nullif(rebalance_every, 0) = 0)
        and abs(target - drifted) > rebalance_band + 1e-9
        and abs(target - drifted) >= min_trade + 1e-9
    )
