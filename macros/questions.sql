{#-
    The answers are for reading: columns that fit into a terminal of 120, rounded. All
    digits are in the tables, and in compare_runs; what_if keeps 8 decimals. `+ 0.0` makes
    0 of a rounded -0.0.
-#}
{% macro questions() -%}
    {%- do return([
        (
            'compare_strategies()',
            'compare_strategies()',
            'Every strategy with its 95 % intervals, best score first',
            "select
                symbol,
                timeframe,
                strategy,
                round(utility.estimate, 5) as utility,
                round(metrics.sharpe, 2) as sharpe,
                [round(sharpe.ci_low, 2), round(sharpe.ci_high, 2)] as sharpe_95,
                round(metrics.variance_reduction, 5) as variance_removed,
                [round(removed.ci_low, 5) + 0.0, round(removed.ci_high, 5) + 0.0]
                    as removed_95
            from hedge_metrics as metrics
            left join (
                from hedge_intervals where metric = 'variance_reduction'
            ) as removed
                using (symbol, timeframe, strategy)
            left join (from hedge_intervals where metric = 'sharpe') as sharpe
                using (symbol, timeframe, strategy)
            left join (from hedge_intervals where metric = 'utility') as utility
                using (symbol, timeframe, strategy)
            order by
                symbol, timeframe, utility.estimate desc nulls last, strategy",
        ),
        (
            'what_if(fees_bps, funding_factor := 1)',
            'what_if(5, funding_factor := 0.5)',
            'Other costs of a trade (all of them), and funding times a factor',
            "with costed as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    r_spot,
                    0 - fees_bps / 10000 * abs(trade) as r_fees,
                    funding_factor * r_funding as r_funding,
                    r_spot + r_hedge
                    + funding_factor * r_funding
                    - fees_bps / 10000 * abs(trade) as r_net,
                    hedge_ratio
                from returns_decomposed
            )
            select
                symbol,
                timeframe,
                strategy,
                case when not is_perp_proxy or max(abs(hedge_ratio)) = 0
                    then round(1 - var_samp(r_net) / nullif(var_samp(r_spot), 0), 8) end
                    as variance_reduction,
                case when not is_perp_proxy or max(abs(hedge_ratio)) = 0
                    then round(
                        avg(r_net) / nullif(stddev_samp(r_net), 0)
                        * sqrt(periods_per_year),
                        6
                    ) end as sharpe,
                -- not known once a bar loses everything
                case when min(r_net) > -1
                    then round(
                        exp(sum(case when r_net > -1 then ln(1 + r_net) end)) - 1, 8
                    ) end as total_return,
                round(sum(r_fees), 8) as fees,
                round(sum(r_funding), 8) as funding
            from costed
            inner join int_samples using (symbol, timeframe)
            cross join (select is_perp_proxy from int_build)
            group by symbol, timeframe, strategy, periods_per_year, is_perp_proxy
            order by symbol, timeframe, strategy",
        ),
        (
            'funding_by_month()',
            'funding_by_month()',
            'What each month brought, by funding, fees, basis and unhedged',
            "select
                symbol,
                timeframe,
                strategy,
                month,
                round(funding, 6) + 0.0 as funding,
                round(fees, 6) + 0.0 as fees,
                round(basis, 6) + 0.0 as basis,
                round(unhedged, 6) + 0.0 as unhedged,
                round(net, 6) + 0.0 as net
            from carry_attribution
            order by symbol, timeframe, strategy, month",
        ),
        (
            'worst_drawdowns(n := 5)',
            'worst_drawdowns(n := 5)',
            'The n deepest falls from a peak, and when they were made up',
            "with spells as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    ts,
                    drawdown,
                    sum(case when drawdown = 0 then 1 else 0 end) over (
                        partition by symbol, timeframe, strategy order by ts
                    ) as peaks,
                    lead(ts) over (
                        partition by symbol, timeframe, strategy order by ts
                    ) as next_ts
                from returns_decomposed
            ),
            falls as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    min(drawdown) as drawdown,
                    min(ts) as first_ts,
                    arg_min(ts, drawdown) as lowest_ts,
                    -- the bar after the spell; the last spell may have none
                    arg_max_null(next_ts, ts) as made_up_ts
                from spells
                where drawdown < 0
                group by symbol, timeframe, strategy, peaks
            )
            select
                symbol,
                timeframe,
                strategy,
                round(drawdown, 6) as drawdown,
                first_ts,
                lowest_ts,
                made_up_ts
            from falls
            qualify row_number() over (
                partition by symbol, timeframe, strategy
                order by falls.drawdown, first_ts
            ) <= n
            order by symbol, timeframe, strategy, falls.drawdown, first_ts",
        ),
        (
            'hedge_on(moment)',
            "hedge_on('2025-06-01 12:00')",
            'The order that was in force at a time (UTC), seq as in the log',
            "select
                symbol,
                timeframe,
                seq,
                decision_ts,
                strategy,
                order_side,
                round(order_qty, 8) as order_qty,
                round(hedge_ratio_target, 6) as hedge_ratio_target
            from paper_rebalance_log
            where decision_ts <= cast(moment as timestamp)
            qualify row_number() over (
                partition by symbol, timeframe order by decision_ts desc
            ) = 1
            order by symbol, timeframe",
        ),
        (
            "compare_runs(folder := 'runs')",
            "compare_runs('runs')",
            'The runs under a folder, a row per strategy, the newest first',
            compare_runs_query(),
        ),
        (
            'hedge_figures()',
            'hedge_figures()',
            'Every figure: what it is, and a query that computes it again',
            figures_listed(),
        ),
    ]) -%}
{%- endmacro %}


{#-
    `**` does not follow `latest`; a copy of one is left out, unless it is the folder that
    is asked for.
-#}
{% macro compare_runs_query() -%}
    {%- set keys = ['symbol', 'timeframe', 'strategy'] -%}
    {%- set known = model_columns('hedge_metrics') -%}
    {%- set root = "coalesce(nullif(rtrim(folder, '/'), ''), '.')" -%}
    with files as (
        select filename, content
        from read_text({{ root }} || '/**/met*.json')
        union all
        select
            error(
                'There is no run folder (with a metrics.json) in ' || {{ root }}
                || ': name one by its path from where you are,'
                || ' as in from compare_runs(''runs/BTCUSDT'').'
            ) as filename,
            null as content
        where not exists (from glob({{ root }} || '/**/metrics.json'))
    ),
    read as (
        select
            regexp_replace(filename, '/[^/]*$', '') as run,
            any_value(try_cast(content as json))
                filter (where ends_with(filename, '/metrics.json')) as metrics,
            any_value(try_cast(content as json))
                filter (where ends_with(filename, '/metadata.json')) as metadata
        from files
        group by run
        having bool_or(ends_with(filename, '/metrics.json'))
    ),
    strategies as (
        select
            run,
            metrics,
            metadata,
            coalesce(
                nullif(
                    map_entries(try_cast(metrics -> 'strategies' as map(varchar, json))),
                    []
                ),
                [null]
            ) as entries
        from read
        where
            run = {{ root }}
            or not regexp_matches(run, '/(latest|[.][^/]*)$')
    ),
    listed as (
        select
            run,
            metrics,
            metadata,
            unnest(entries) as entry,
            generate_subscripts(entries, 1) as place
        from strategies
    )
    select
        coalesce(
            try_strptime(
                regexp_extract(run, '([^/]*)$', 1)[1:19], '%Y-%m-%d_%H-%M-%S'
            ),
            try_cast(metadata ->> 'built_at' as timestamp)
        ) as built_ts,
        metrics ->> 'symbol' as symbol,
        metrics ->> 'timeframe' as timeframe,
        entry.key as strategy,
        entry.key = metrics ->> 'selected_strategy' as is_selected,
        try_cast(metadata -> 'dbt_vars' ->> 'fees_bps' as double) as fees_bps,
        try_cast(metrics ->> 'perp_is_proxy' as boolean) as perp_is_proxy,
        try_cast(metrics -> 'sample' ->> 'start' as timestamp) as sample_start,
        try_cast(metrics -> 'sample' ->> 'end' as timestamp) as sample_end,
        {%- for name, column in known.items() if name not in keys %}
        try_cast(entry.value ->> '{{ name }}' as {{ column.data_type }}) as {{ name }},
        {%- endfor %}
        run
    from listed
    order by
        built_ts desc nulls last,
        symbol,
        -- of two runs in a second, the second has a suffix
        length(run) desc,
        run desc,
        place
{%- endmacro %}


{% macro model_columns(name) -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' -%}
        {%- if node.name == name -%}
            {%- do return(node.columns) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return({}) -%}
{%- endmacro %}


{% macro tables_in_order() -%}
    {%- do return([
        'hedge_verdict', 'hedge_metrics', 'hedge_intervals', 'data_incidents',
        'hedge_metrics_by_regime', 'hedge_tails', 'carry_attribution',
        'variance_components', 'leg_comovement', 'paper_rebalance_log',
        'returns_decomposed', 'beta_series', 'prices_merged', 'coverage',
        'hedge_strategies', 'sweep_metrics',
    ]) -%}
{%- endmacro %}


{#- The questions name tables that only a whole build has. -#}
{% macro create_questions() -%}
    {%- for head, _, _, sql in questions() -%}
        create or replace macro {{ head }} as table {{ sql }};
    {% endfor -%}
    create or replace macro hedge_help() as table
        with listed as (
            {%- for _, example, answer, _ in questions() %}
            select
                1 as chapter,
                {{ loop.index }} as place,
                'question' as kind,
                {{ sql_text('from ' ~ example) }} as example,
                {{ sql_text(answer) }} as what
            union all
            {%- endfor %}
            {%- for node in graph.nodes.values()
                if node.resource_type == 'analysis' %}
            select
                2 as chapter,
                null as place,
                'analysis' as kind,
                {{ sql_text('.read ' ~ node.original_file_path) }} as example,
                {{ sql_text(node.description) }} as what
            union all
            {%- endfor %}
            select
                3 as chapter,
                list_position({{ tables_in_order() }}, table_name) as place,
                'table' as kind,
                'from ' || table_name as example,
                -- the first sentence
                rtrim(split_part(replace(comment, chr(10), ' '), '. ', 1), '. ') as what
            from duckdb_tables()
            where
                schema_name = 'main'
                and comment is not null
                and not starts_with(table_name, 'int_')
                and not starts_with(table_name, 'plot_')
        )
        select kind, example, what
        from listed
        order by chapter, place nulls last, example
{%- endmacro %}
