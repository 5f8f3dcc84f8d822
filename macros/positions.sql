{#-
    What is held after a bar follows from what was held before it, which no window can
    say. A first pass walks through each series and keeps the coins at the start of each
    stretch of 128 bars, a second one walks through all stretches at once and keeps
    every bar: a list that grows bar by bar over a whole series would be copied at each
    of them.

    A walk takes as long for one series as for a thousand side by side, and a group by
    hands on few at a time: the sort brings them together, in a seventh of the time.
-#}
{% macro coins_after_orders(bars) -%}
    {%- set stretch = stretch_of('bar_index', 128) -%}
    with
    stretches as (
        select
            symbol,
            timeframe,
            strategy,
            {{ stretch }} as stretch,
            list(
                {
                    'ts': ts,
                    'is_entry': bar_index = 0,
                    'is_due': is_due,
                    'target': target,
                    'price_ratio': price_ratio,
                    'band': band,
                    'min_trade': min_trade
                }
                order by bar_index
            ) as bars
        from {{ bars }}
        group by symbol, timeframe, strategy, {{ stretch }}
    ),

    series as (
        select
            symbol,
            timeframe,
            strategy,
            list(bars order by stretch) as stretches
        from stretches
        group by symbol, timeframe, strategy
        order by symbol, timeframe, strategy
    ),

    starts as (
        select
            symbol,
            timeframe,
            strategy,
            list_reduce(
                stretches,
                lambda walked, bars: {
                    'coins': list_reduce(
                        bars,
                        lambda coins, bar: {{ coins_after_order_of('bar', 'coins') }},
                        walked.coins
                    ),
                    'starts': list_append(walked.starts, walked.coins)
                },
                {'coins': 0.0::double, 'starts': []::double[]}
            ).starts as starts
        from series
    ),

    paths as (
        select
            stretches.symbol,
            stretches.timeframe,
            stretches.strategy,
            stretches.bars,
            list_reduce(
                stretches.bars,
                lambda path, bar:
                    list_append(path, {{ coins_after_order_of('bar', 'path[-1]') }}),
                [starts.starts[stretches.stretch + 1]]
            ) as path
        from stretches
        inner join starts
            on stretches.symbol = starts.symbol
            and stretches.timeframe = starts.timeframe
            and stretches.strategy = starts.strategy
    )

    select
        symbol,
        timeframe,
        strategy,
        unnest(list_transform(bars, lambda bar: bar.ts)) as ts,
        -- the first is what was held before the stretch
        unnest(path[:-2]) as coins_before,
        unnest(path[2:]) as coins
    from paths
{%- endmacro %}


{% macro stretch_of(bar_index, bars) -%}
    cast(floor({{ bar_index }} / {{ bars }}) as integer)
{%- endmacro %}


{% macro coins_after_order(
    coins, target, price_ratio, is_entry, is_due, band, min_trade
) -%}
    case
        when
            {{ is_entry }}
            or (
                {{ is_due }}
                and abs({{ target }} - {{ coins }} * {{ price_ratio }}) > {{ band }}
                and abs({{ target }} - {{ coins }} * {{ price_ratio }}) >= {{ min_trade }}
            )
            then {{ target }} / {{ price_ratio }}
        else {{ coins }}
    end
{%- endmacro %}


{% macro coins_after_order_of(bar, coins) -%}
    {{ coins_after_order(
        coins, bar ~ '.target', bar ~ '.price_ratio', bar ~ '.is_entry', bar ~ '.is_due',
        bar ~ '.band', bar ~ '.min_trade'
    ) }}
{%- endmacro %}
