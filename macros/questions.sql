{% macro questions() -%}
    {%- do return([
        (
            'compare_strategies()',
            'Every strategy with its 95 % intervals, best score first',
            "select
                symbol,
                timeframe,
                strategy,
                metrics.variance_reduction,
                removed.ci_low as variance_reduction_low,
                removed.ci_high as variance_reduction_high,
                metrics.sharpe,
                sharpe.ci_low as sharpe_low,
                sharpe.ci_high as sharpe_high,
                utility.estimate as utility,
                metrics.max_drawdown,
                metrics.pnl_frac,
                metrics.turnover_per_year,
                metrics.fees,
                metrics.funding
            from hedge_metrics as metrics
            left join (
                from hedge_intervals where metric = 'variance_reduction'
            ) as removed
                using (symbol, timeframe, strategy)
            left join (from hedge_intervals where metric = 'sharpe') as sharpe
                using (symbol, timeframe, strategy)
            left join (from hedge_intervals where metric = 'utility') as utility
                using (symbol, timeframe, strategy)
            order by symbol, timeframe, utility desc nulls last, strategy",
        ),
        (
            'funding_by_month()',
            'What each month brought: funding, fees, basis and the part left unhedged',
            "select
                symbol, timeframe, strategy, month,
                funding, fees, basis, unhedged, net
            from carry_attribution
            order by symbol, timeframe, strategy, month",
        ),
        (
            'worst_drawdowns(n := 5)',
            'The n deepest falls of each strategy from a peak, and if they were made up',
            "with spells as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    ts,
                    drawdown,
                    sum(case when drawdown = 0 then 1 else 0 end) over (
                        partition by symbol, timeframe, strategy order by ts
                    ) as peaks
                from returns_decomposed
            ),
            falls as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    peaks,
                    min(ts) as first_ts,
                    arg_min(ts, drawdown) as lowest_ts,
                    max(ts) as last_ts,
                    min(drawdown) as drawdown,
                    count(*) as bars
                from spells
                where drawdown < 0
                group by symbol, timeframe, strategy, peaks
            ),
            ranked as (
                select
                    falls.*,
                    last_ts < end_ts as is_made_up,
                    row_number() over (
                        partition by symbol, timeframe, strategy
                        order by drawdown, first_ts
                    ) as place
                from falls
                inner join (select symbol, timeframe, end_ts from int_samples)
                    using (symbol, timeframe)
            )
            select
                symbol,
                timeframe,
                strategy,
                place,
                drawdown,
                first_ts,
                lowest_ts,
                last_ts,
                bars,
                is_made_up
            from ranked
            where place <= n
            order by symbol, timeframe, strategy, place",
        ),
        (
            'hedge_on(moment)',
            'The order of the selected strategy that was in force at a time, naive UTC',
            "select *
            from paper_rebalance_log
            where decision_ts <= cast(moment as timestamp)
            qualify row_number() over (
                partition by symbol, timeframe order by decision_ts desc
            ) = 1
            order by symbol, timeframe",
        ),
        (
            'what_if(fees_bps)',
            'Every strategy with other costs: its orders at so many basis points each',
            "with costed as (
                select
                    symbol,
                    timeframe,
                    strategy,
                    r_spot,
                    r_spot + r_hedge + r_funding - fees_bps / 10000 * abs(trade) as r_net,
                    abs(trade) as traded
                from returns_decomposed
            )
            select
                symbol,
                timeframe,
                strategy,
                case when not is_perp_proxy or sum(traded) = 0
                    then 1 - var_samp(r_net) / var_samp(r_spot) end as variance_reduction,
                case when not is_perp_proxy or sum(traded) = 0
                    then avg(r_net) / nullif(stddev_samp(r_net), 0)
                        * sqrt(periods_per_year) end as sharpe,
                exp(sum(ln(1 + r_net))) - 1 as total_return,
                0 - fees_bps / 10000 * sum(traded) as fees
            from costed
            inner join int_samples using (symbol, timeframe)
            cross join (select is_perp_proxy from int_build)
            group by symbol, timeframe, strategy, periods_per_year, is_perp_proxy
            order by symbol, timeframe, strategy",
        ),
    ]) -%}
{%- endmacro %}


{#- The questions name tables that only a whole build has. -#}
{% macro create_questions() -%}
    {%- for head, answer, sql in questions() -%}
        create or replace macro {{ head }} as table {{ sql }};
    {% endfor -%}
    create or replace macro hedge_help() as table
        select 'question' as kind, name, what, example
        from (
            values
            {%- for head, answer, _ in questions() %}
            (
                '{{ head }}',
                '{{ answer }}',
                'from {{ head.replace("moment)", "\'\'2025-06-01 12:00\'\')")
                         .replace("fees_bps)", "5)") }}'
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ) as questions (name, what, example)
        union all
        select
            'table' as kind,
            tables.table_name as name,
            tables.comment as what,
            'from ' || tables.table_name || ' limit 5' as example
        from duckdb_tables() as tables
        where
            tables.schema_name = 'main'
            and tables.comment is not null
            and not starts_with(tables.table_name, 'int_')
            and not starts_with(tables.table_name, 'plot_')
{%- endmacro %}
