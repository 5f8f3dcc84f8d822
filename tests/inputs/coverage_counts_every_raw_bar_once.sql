with
counted as (
    select symbol, source, sum(bars_present) as bars
    from {{ ref('coverage') }}
    where source <> 'funding'
    group by symbol, source
),

raw_bars as (
    select raw_bars.symbol, raw_bars.leg as source, count(*) as bars
    from {{ ref('int_raw_bars') }} as raw_bars
    inner join {{ ref('int_raw_steps') }} as raw_steps
        on raw_bars.leg = raw_steps.leg
        and raw_bars.symbol = raw_steps.symbol
    where {{ is_on_grid('raw_bars.ts', 'raw_steps.raw_step_ms') }}
    group by raw_bars.symbol, raw_bars.leg
)

select
    symbol,
    source,
    counted.bars as counted_bars,
    raw_bars.bars as raw_bars
from counted
full join raw_bars using (symbol, source)
where counted.bars is distinct from raw_bars.bars
union all
select
    symbol,
    source,
    bars_expected,
    bars_present
from {{ ref('coverage') }}
where bars_present > bars_expected
