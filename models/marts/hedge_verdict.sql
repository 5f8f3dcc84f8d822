-- One row per symbol and timeframe: whether any strategy tried is worth more than a
-- ratio of 1, in the score U. The interval of the best holds for all of them at once
-- (maximum of the paired statistics, White 2000; Romano & Wolf 2005), so picking it is
-- allowed for. Key: symbol, timeframe.
{% set block_days = var('bootstrap_block_days') %}

with
samples as (select * from {{ ref('int_samples') }}),
judgements as (select * from {{ ref('int_judgements') }}),

judged as (
    select
        samples.symbol,
        samples.timeframe,
        judgements.*,
        case
            when judgements.benchmark = 'naive' then 'at every bar'
            else 'held from entry'
        end as benchmark_habit
    from judgements
    inner join samples on judgements.market = samples.market
)

select
    symbol,
    timeframe,
    benchmark,
    blocks,
    strategies_tried,
    best_strategy,
    delta_utility,
    ci_low,
    ci_high,
    is_better as is_replaced,
    case
        when extra_turnover > 0 and break_even_fee_bps >= 0 then break_even_fee_bps
    end as break_even_fee_bps,
    {{ per_8_hours('funding_rate', 'timeframe') }} as mean_funding_rate,
    {{ per_8_hours('funding_rate - carry_rate', 'timeframe') }}
        as break_even_funding_rate,
    {{ per_8_hours('funding_rate - utility_rate', 'timeframe') }}
        as indifferent_funding_rate,
    symbol || ' ' || timeframe || ': '
    || case
        when {{ 'true' if perp_is_proxy() else 'false' }}
            then 'no verdict without a perp: spot alone cannot tell the risk of a hedge'
        when blocks < {{ least_blocks() }}
            then
                'not enough data: '
                || {{ counted(
                    'cast(floor(blocks * ' ~ block_days ~ ') as bigint)', 'day'
                ) }}
                || ', and a verdict needs {{ least_blocks() | int * block_days }}'
        when benchmark is null
            then 'no verdict: no strategy holds a ratio of 1 to compare with'
        when best_strategy is null
            then 'no verdict: no strategy differs from ' || benchmark
        else
            case
                when is_better then best_strategy || ' replaces ' || benchmark || ' ('
                else
                    'β = 1 ' || benchmark_habit
                    || ' is enough: no strategy beats it beyond chance (best '
                    || best_strategy || ', '
            end
            || 'ΔU ' || {{ signed_percent('delta_utility') }}
            || ' a year, adjusted 95 % interval ' || {{ signed_percent('ci_low') }}
            || ' to ' || {{ signed_percent('ci_high') }} || ')'
    end as verdict
from judged
