-- One row per run of raw closes that one leg cannot have beside the other: a jump of its
-- own, a basis out of bounds, another price level, the very price of spot for too long.
with
pairs as (select * from {{ ref('int_pairs') }}),

-- the first and the last pair of a symbol are always kept
pair_counts as (
    select
        symbol,
        max(pair_index) - min(pair_index) + 1 as pairs,
        -- the first has no move either
        max(pair_index) - min(pair_index) + 1 - count(case when is_still then 1 end)
            as moves
    from pairs
    group by symbol
),

jumps as (
    select
        symbol,
        case when abs(perp_move_bps) >= abs(spot_move_bps) then 'perp' else 'spot' end
            as source,
        ts, end_ts, pair_index, spot_move_bps, perp_move_bps,
        abs(perp_move_bps - spot_move_bps) as difference_bps
    from pairs
    where is_jump
),

numbered_jumps as (
    select
        *,
        {{ run_of('pair_index', 'symbol, source') }} as run
    from jumps
),

price_jumps as (
    select
        symbol,
        source,
        'price_jump' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        {{ counted('count(*)', 'raw bar') }}
        || ' moved by more than {{ var("max_jump_bps") }} bp away from the other leg; at '
        || {{ minute_of(last_by('ts', 'difference_bps')) }}
        || ' perp moved ' || {{ rounded(last_by('perp_move_bps', 'difference_bps'), 1) }}
        || ' bp and spot ' || {{ rounded(last_by('spot_move_bps', 'difference_bps'), 1) }}
        || ' bp: a crash, or a false price' as detail
    from numbered_jumps
    group by symbol, source, run
),

wide_bases as (
    select
        symbol, ts, end_ts,
        (close_perp / close_spot - 1) * 1e4 as basis_bps,
        {{ run_of('pair_index', 'symbol') }} as run
    from pairs
    where is_wide
),

bases as (
    select
        symbol,
        'perp' as source,
        'basis_beyond_bound' as kind,
        min(ts) as ts,
        max(end_ts) as ts_end,
        count(*) as affected,
        'warn' as severity,
        {{ counted('count(*)', 'raw bar') }}
        || ' closed further than {{ var("max_basis_bps") }} bp from spot, at most '
        || {{ rounded(last_by('basis_bps', 'abs(basis_bps)'), 1) }}
        || ' bp: a crash, or prices of two things' as detail
    from wide_bases
    group by symbol, run
),

apart as (
    select
        symbol,
        count(*) as bars,
        exp(avg(ln(close_perp / close_spot))) as mean_ratio
    from pairs
    where is_apart
    group by symbol
),

levels as (
    select
        symbol,
        'perp' as source,
        'price_levels_differ' as kind,
        min(pairs.ts) as ts,
        max(pairs.end_ts) as ts_end,
        max(pair_counts.pairs) as affected,
        'error' as severity,
        {{ counted('max(pair_counts.pairs)', 'raw bar') }} || ', most of them more than '
        || '{{ var("max_price_ratio") }} times apart from spot, in the mean '
        || {{ rounded('max(apart.mean_ratio)', 4) }}
        || ' times: another coin, unit or contract size; bring both to the same'
            as detail
    from pairs
    inner join pair_counts using (symbol)
    inner join apart using (symbol)
    where 2 * apart.bars > pair_counts.pairs
    group by symbol
),

-- Equal closes: a chance of the ticks that ends soon, or a file that holds spot's prices.
-- Bars in which spot stood still prove nothing, and a run goes on past them.
counted_moves as (
    select
        symbol, ts, end_ts, is_still,
        pair_index - count(case when is_still then 1 end) over (
            partition by symbol order by pair_index
            rows between unbounded preceding and current row
        ) as move_index
    from pairs
    where is_equal or is_still
),

numbered_equals as (
    select
        *,
        {{ run_of('move_index', 'symbol') }} as run
    from counted_moves
    where not is_still
),

equal_runs as (
    select
        symbol,
        min(ts) as ts,
        max(end_ts) as end_ts,
        count(*) as bars
    from numbered_equals
    group by symbol, run
),

-- the chance that a run goes on for another bar, as the runs themselves tell
continuations as (
    select
        symbol,
        (1.0 + count(case when bars > 1 then 1 end)) / (2.0 + count(*)) as chance
    from equal_runs
    group by symbol
),

unlikely_runs as (
    select
        equal_runs.symbol, equal_runs.ts, equal_runs.end_ts, equal_runs.bars,
        1.0 * sum(equal_runs.bars) over (partition by equal_runs.symbol)
        / pair_counts.moves as share
    from equal_runs
    inner join continuations on equal_runs.symbol = continuations.symbol
    inner join pair_counts on equal_runs.symbol = pair_counts.symbol
    where
        pair_counts.moves * power(continuations.chance, equal_runs.bars)
        < {{ var('equal_closes_chance') }}
),

equal_closes as (
    select
        symbol,
        'perp' as source,
        'perp_equals_spot' as kind,
        ts,
        end_ts as ts_end,
        bars as affected,
        case when share > {{ var('max_equal_closes_share') }} then 'error' else 'warn' end
            as severity,
        {{ counted('bars', 'raw bar') }} || ' in a row closed at the very price of spot, '
        || 'longer than chance allows (' || {{ rounded('100 * share') }}
        || ' % of the bars in such runs): the file seems to hold spot prices' as detail
    from unlikely_runs
),

incidents as (
    select * from price_jumps
    union all
    select * from bases
    union all
    select * from levels
    union all
    select * from equal_closes
)

select symbol, source, kind, ts, ts_end, affected, severity, detail
from incidents
