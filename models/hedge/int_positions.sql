-- One row per series and evaluated bar, the next bar included: what is held once the
-- bar's order is done, and the paths that it makes: as fractions of the spot notional at
-- the bar's start, and as money for the coins held, in their value before the first
-- evaluated bar. Rows lie in the order of their key: series, row_index.
with
series as (select * from {{ ref('int_series') }}),
targets as (select * from {{ ref('int_targets') }}),
ruled as (select * from {{ ref('int_ruled_positions') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- without a rule, each bar's order goes to the target
decided as (
    select
        series.series, series.market, series.start_close_spot, targets.row_index,
        targets.hedge_ratio,
        cast(null as double) as ruled_before
    from series
    inner join targets
        on series.market = targets.market
        and series.target = targets.target
        and targets.row_index >= series.start_row
    where not series.has_rebalance_rule
    union all
    select
        series.series, series.market, series.start_close_spot, ruled.row_index,
        ruled.hedge_ratio,
        ruled.hedge_ratio_before as ruled_before
    from ruled
    inner join series on ruled.series = series.series
),

held as (
    select
        decided.series, decided.row_index, decided.hedge_ratio, decided.ruled_before,
        merged_bars.r_spot, merged_bars.r_fut, merged_bars.funding_rate,
        merged_bars.previous_close_spot / decided.start_close_spot as notional
    from decided
    inner join merged_bars
        on decided.market = merged_bars.market
        and decided.row_index = merged_bars.row_index
),

ordered as (select * from held order by series, row_index),

numbered as (
    select
        *,
        {{ is_first_of('series') }} as is_first,
        {{ in_order('series', 'row_index') }} as row_in_order
    from ordered
),

traded as (
    select
        *,
        hedge_ratio - coalesce(
            ruled_before,
            {{ drifted_ratio(
                row_before('hedge_ratio', 'is_first'), 'lag(r_fut) over ()',
                'lag(r_spot) over ()'
            ) }},
            0
        ) as trade
    from numbered
),

netted as (
    select
        *,
        -- subtracted from 0, since a unary minus would turn 0 into -0
        r_spot + (0 - hedge_ratio * r_fut) + hedge_ratio * funding_rate
        + (0 - {{ fee('trade') }}) as r_net
    from traded
),

fixed as (
    select
        *,
        {{ fixed(log_growth('r_net')) }} as growth_of_bar,
        {{ fixed('notional * r_net') }} as money_of_bar,
        {{ fixed('0 - notional * hedge_ratio * r_fut') }} as perp_of_bar
    from netted
),

summed as (
    select
        *,
        sum(growth_of_bar) over to_date as growth_to_date,
        sum(money_of_bar) over to_date as money_to_date,
        sum(perp_of_bar) over to_date as perp_to_date
    from fixed
    window to_date as (rows unbounded preceding)
),

paths as (
    select
        *,
        {{ since_first('growth_to_date', 'growth_of_bar', 'is_first') }} as growth,
        {{ since_first('money_to_date', 'money_of_bar', 'is_first') }} as money,
        {{ since_first('perp_to_date', 'perp_of_bar', 'is_first') }} as perp_money
    from summed
    window to_date as (rows unbounded preceding)
),

peaked as (
    select
        *,
        {{ peak_to_date('growth', 'series') }} as peak_growth,
        {{ peak_to_date('money', 'series') }} as peak_money
    from paths
    window to_date as (rows unbounded preceding)
)

select
    series,
    row_in_order as row_index,
    hedge_ratio,
    trade,
    r_net,
    {{ of_known_bar(from_fixed('growth')) }} as cum_log_return,
    {{ of_known_bar('exp(' ~ from_fixed('growth - peak_growth') ~ ') - 1') }} as drawdown,
    {{ of_known_bar('1 + ' ~ from_fixed('money')) }} as wealth,
    {{ of_known_bar(
        '(1 + ' ~ from_fixed('money') ~ ') / (1 + ' ~ from_fixed('peak_money') ~ ') - 1'
    ) }} as pnl_drawdown,
    {{ of_known_bar(from_fixed('perp_money')) }} as perp_pnl
from peaked
