{#-
    How a sweep walks through its bars. What a strategy holds after a bar follows from
    what it held before, which no window can say, and a row for each strategy and bar
    would be tens of millions. So bars lie in lists of a stretch each, and a recursion
    goes from stretch to stretch with all strategies at once; within a stretch a fold
    over the list does. Each element is a close: what was held over the bar
    that ends there is booked, and the order for the next one is decided. Speed comes
    from folds that work on all strategies of a vector, and from scalars alone in what
    they carry along: a list would be copied at each bar.
-#}


{#- Long ones cost registers, short ones steps of the recursion. -#}
{% macro stretch_bars() -%}
    32
{%- endmacro %}


{% macro closes_after_the_walk() -%}
    2
{%- endmacro %}


{% macro close_figures() -%}
    {%- do return([
        'target', 'price_ratio', 'held_price_ratio', 'is_bar', 'r_spot', 'r_fut',
        'funding_rate', 'notional',
    ]) -%}
{%- endmacro %}


{% macro listed_closes() -%}
    list(
        {
            {%- for name in close_figures() %}
            '{{ name }}': {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        }
        order by bar_index
    )
{%- endmacro %}


{% macro first_close(closes) -%}
    {{ closes }}[1]
{%- endmacro %}


{% macro sweep_coins(held, stretch) -%}
    {{ coins_after_order(
        held ~ '.coins',
        'x.target',
        'x.price_ratio',
        '(' ~ stretch ~ ' = 0 and i = 1)',
        '(rebalance_every = 1 or (' ~ stretch ~ ' * ' ~ stretch_bars()
        ~ ' + i - 1) % nullif(rebalance_every, 0) = 0)',
        'rebalance_band',
        'min_trade'
    ) }}
{%- endmacro %}


{% macro sweep_ratio(held) -%}
    ({{ held }}.coins * x.held_price_ratio)
{%- endmacro %}


{% macro sweep_trade(held) -%}
    (({{ held }}.coins - {{ held }}.coins_before) * x.held_price_ratio)
{%- endmacro %}


{% macro sweep_net(held) -%}
    (
        x.r_spot + {{ sweep_ratio(held) }} * (x.funding_rate - x.r_fut)
        - {{ fee(sweep_trade(held)) }}
    )
{%- endmacro %}


{#-
    What is used twice is carried to the next element instead of being written out
    twice, so sums lag one element behind the close, peaks and lows two: two more
    elements, that bring nothing, end each walk. Sums of the ratio are around the
    sample's first target, or rounding would drown a small deviation.
-#}
{% macro sweep_fold() -%}
    {%- do return({
        'coins': ['0.0', sweep_coins('w', 'walks.stretch')],
        'coins_before': ['0.0', 'w.coins'],
        'last_net': ['0.0', sweep_net('w')],
        'last_price': ['0.0', 'x.r_spot - ' ~ sweep_ratio('w') ~ ' * x.r_fut'],
        'last_ratio': ['0.0', sweep_ratio('w') ~ ' - first_target * x.is_bar'],
        'last_notional': ['0.0', 'x.notional'],
        'turnover': ['0.0', 'w.turnover + abs(' ~ sweep_trade('w') ~ ')'],
        'funding': ['0.0', 'w.funding + ' ~ sweep_ratio('w') ~ ' * x.funding_rate'],
        'perp_pnl': [
            '0.0', 'w.perp_pnl - x.notional * ' ~ sweep_ratio('w') ~ ' * x.r_fut'
        ],
        'perp_pnl_low': ['0.0', 'least(w.perp_pnl_low, w.perp_pnl)'],
        'net': ['0.0', 'w.net + w.last_net'],
        'net_squares': ['0.0', 'w.net_squares + w.last_net * w.last_net'],
        'price': ['0.0', 'w.price + w.last_price'],
        'price_squares': ['0.0', 'w.price_squares + w.last_price * w.last_price'],
        'ratio': ['0.0', 'w.ratio + w.last_ratio'],
        'ratio_squares': ['0.0', 'w.ratio_squares + w.last_ratio * w.last_ratio'],
        'growth': ['0.0', 'w.growth + ln(greatest(1 + w.last_net, 1e-300))'],
        'growth_peak': ['0.0', 'greatest(w.growth_peak, w.growth)'],
        'growth_low': ['0.0', 'least(w.growth_low, w.growth - w.growth_peak)'],
        'wealth': ['1.0', 'w.wealth + w.last_notional * w.last_net'],
        'wealth_peak': ['1.0', 'greatest(w.wealth_peak, w.wealth)'],
        'wealth_low': ['1.0', 'least(w.wealth_low, w.wealth / w.wealth_peak)'],
    }) -%}
{%- endmacro %}


{#- Both are tables, since a recursion would compute anything else anew at each step. -#}
{% macro sweep_walks(strategies, stretches) -%}
    with recursive
    walks as (
        select
            symbol,
            timeframe,
            strategy,
            series,
            first_target,
            rebalance_band,
            rebalance_every,
            min_trade,
            0 as stretch,
            {
                {%- for name, (start, _) in sweep_fold().items() %}
                '{{ name }}': cast({{ start }} as double){{ ',' if not loop.last }}
                {%- endfor %}
            } as walk
        from {{ strategies }}
        union all
        select
            walks.symbol,
            walks.timeframe,
            walks.strategy,
            walks.series,
            walks.first_target,
            walks.rebalance_band,
            walks.rebalance_every,
            walks.min_trade,
            walks.stretch + 1 as stretch,
            list_reduce(
                stretches.closes,
                lambda w, x, i: {
                    {%- for name, (_, step) in sweep_fold().items() %}
                    '{{ name }}': {{ step }}{{ ',' if not loop.last }}
                    {%- endfor %}
                },
                walks.walk
            ) as walk
        from walks
        inner join {{ stretches }} as stretches
            on walks.symbol = stretches.symbol
            and walks.timeframe = stretches.timeframe
            and walks.series = stretches.series
            and walks.stretch = stretches.stretch
    )

    select
        symbol,
        timeframe,
        strategy,
        series,
        rebalance_band,
        rebalance_every,
        min_trade,
        first_target,
        stretch,
        {%- for name in sweep_fold() %}
        walk.{{ name }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from walks
{%- endmacro %}


{% macro drawn_places(samples) -%}
    with
    samples as (
        select
            symbol,
            timeframe,
            evaluated_bars as bars,
            {{ block_bars('timeframe') }} as block_bars,
            cast(ceil(1.0 * evaluated_bars / {{ block_bars('timeframe') }}) as bigint)
                as blocks_drawn
        from {{ samples }}
        where evaluated_bars >= {{ least_blocks() }} * {{ block_bars('timeframe') }}
    ),

    drawn as ({{ drawn_blocks('samples') }}),

    placed as (
        select
            samples.*,
            drawn.replicate,
            drawn.place,
            drawn.is_last
        from samples
        inner join drawn
            on samples.symbol = drawn.symbol
            and samples.timeframe = drawn.timeframe
    )

    select
        symbol,
        timeframe,
        replicate,
        bars,
        block_bars,
        bars - (blocks_drawn - 1) * block_bars as last_block_bars,
        list(place) filter (where not is_last) as places,
        max(case when is_last then place end) as last_place
    from placed
    group by symbol, timeframe, replicate, bars, block_bars, blocks_drawn
{%- endmacro %}


{#-
    A replicate's mean, and mean square around the sample's mean, are sums over blocks,
    and these differences of running sums: U with that square in place of the variance
    needs one number a block. It leaves out risk_aversion / 2 of the squared deviation
    of the mean, which is of second order: of a deviation of 50 % a year, a ten
    thousandth at 1h.

    Each stretch is walked through anew from what int_sweep_walks holds at its start,
    and what is to be listed is handed from field to field: as many fields as elements,
    since a list that grows would be copied at each of them.
-#}
{% macro sweep_deviations(walks, stretches, samples) -%}
    {%- set n = stretch_bars() | int -%}
    {%- set names = ['coins', 'coins_before', 'last_net'] -%}
    with
    places as materialized ({{ drawn_places(samples) }}),

    sample_sizes as (
        select distinct
            symbol,
            timeframe,
            bars,
            block_bars,
            last_block_bars
        from places
    ),

    gains as (
        select
            walks.symbol,
            walks.timeframe,
            walks.strategy,
            -- what r is taken times in (r - m) - risk_aversion / 2 * (r - m) ^ 2
            1 + {{ var('risk_aversion') }} * {{ last_by('walks.net', 'walks.stretch') }}
            / max(sample_sizes.bars) as gain
        from {{ walks }} as walks
        inner join sample_sizes
            on walks.symbol = sample_sizes.symbol
            and walks.timeframe = sample_sizes.timeframe
        group by walks.symbol, walks.timeframe, walks.strategy
    ),

    walked as (
        select
            walks.symbol,
            walks.timeframe,
            walks.strategy,
            walks.stretch,
            list_reduce(
                stretches.closes,
                lambda w, x, i: {
                    'coins': {{ sweep_coins('w', 'walks.stretch') }},
                    'coins_before': w.coins,
                    'last_net': {{ sweep_net('w') }},
                    {%- for number in range(1, n) %}
                    's{{ number }}': w.s{{ number + 1 }},
                    {%- endfor %}
                    's{{ n }}':
                        w.s{{ n }} + gain * w.last_net
                        - {{ var('risk_aversion') }} / 2.0 * w.last_net * w.last_net
                },
                {
                    {%- for name in names %}
                    '{{ name }}': walks.{{ name }},
                    {%- endfor %}
                    {%- for number in range(1, n + 1) %}
                    's{{ number }}': 0.0::double{{ ',' if not loop.last }}
                    {%- endfor %}
                }
            ) as fields,
            len(stretches.closes) as closes
        from {{ walks }} as walks
        inner join {{ stretches }} as stretches
            on walks.symbol = stretches.symbol
            and walks.timeframe = stretches.timeframe
            and walks.series = stretches.series
            and walks.stretch = stretches.stretch
        -- walks of samples that hold too few blocks lead nowhere
        inner join gains
            on walks.symbol = gains.symbol
            and walks.timeframe = gains.timeframe
            and walks.strategy = gains.strategy
    ),

    listed as (
        select
            symbol,
            timeframe,
            strategy,
            stretch,
            [
                {%- for number in range(1, n + 1) %}
                fields.s{{ number }}{{ ',' if not loop.last }}
                {%- endfor %}
            ][{{ n }} - closes + 1:] as sums,
            sum(fields.s{{ n }}) over (
                partition by symbol, timeframe, strategy
                order by stretch
                rows between unbounded preceding and current row
            ) - fields.s{{ n }} as sum_before
        from walked
    ),

    -- the first two elements book nothing, the third the first bar: element place + 1
    -- holds the sum over all bars before that place
    prefix_sums as (
        select
            symbol,
            timeframe,
            strategy,
            flatten(
                list(
                    list_transform(sums, lambda s: s + sum_before) order by stretch
                )
            )[2:] as sums
        from listed
        group by symbol, timeframe, strategy
    ),

    -- after the last bar comes the first again
    circular as (
        select
            prefix_sums.symbol,
            prefix_sums.timeframe,
            prefix_sums.strategy,
            sample_sizes.bars,
            sample_sizes.block_bars,
            sample_sizes.last_block_bars,
            prefix_sums.sums[sample_sizes.bars + 1] as total,
            prefix_sums.sums[1:sample_sizes.bars + 1]
            || list_transform(
                prefix_sums.sums[2:sample_sizes.block_bars + 1],
                lambda s: s + prefix_sums.sums[sample_sizes.bars + 1]
            ) as sums
        from prefix_sums
        inner join sample_sizes
            on prefix_sums.symbol = sample_sizes.symbol
            and prefix_sums.timeframe = sample_sizes.timeframe
    ),

    block_sums as (
        select
            symbol,
            timeframe,
            strategy,
            total,
            last_block_bars,
            sums,
            list_transform(
                sums[1:bars],
                lambda s, place: sums[place + block_bars] - s
            ) as blocks
        from circular
    )

    select
        block_sums.symbol,
        block_sums.timeframe,
        block_sums.strategy,
        places.replicate,
        (
            list_reduce(
                places.places,
                lambda drawn, place: drawn + block_sums.blocks[place],
                0.0::double
            )
            + block_sums.sums[places.last_place + places.last_block_bars]
            - block_sums.sums[places.last_place]
            - block_sums.total
        ) / places.bars as deviation
    from block_sums
    inner join places
        on block_sums.symbol = places.symbol
        and block_sums.timeframe = places.timeframe
{%- endmacro %}
