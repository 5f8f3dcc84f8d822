with
present as (
    select
        symbol,
        source,
        sum(bars_present) as bars
    from {{ ref('coverage') }}
    where source <> 'funding'
    group by symbol, source
),

copies as (
    select
        copied.symbol,
        copied.leg as source,
        sum(copied.copies - 1) as bars
    from {{ ref('int_copied_bars') }} as copied
    inner join {{ ref('int_raw_steps') }} as raw_steps
        on copied.leg = raw_steps.leg
        and copied.symbol = raw_steps.symbol
    where {{ is_on_grid('copied.ts', 'raw_steps.raw_step_ms') }}
    group by copied.symbol, copied.leg
),

read_bars as (
    select
        symbol,
        leg as source,
        sum(rows_on_grid) as bars
    from {{ ref('int_input_files') }}
    where leg <> 'funding' and rows_on_grid > 0
    group by symbol, leg
)

select
    symbol,
    source,
    present.bars as bars_present,
    read_bars.bars - coalesce(copies.bars, 0) as bars_read
from present
full join read_bars using (symbol, source)
left join copies using (symbol, source)
where present.bars is distinct from read_bars.bars - coalesce(copies.bars, 0)
union all
select
    symbol,
    source,
    bars_present,
    bars_expected
from {{ ref('coverage') }}
where bars_present > bars_expected
