{#-
    ROWS stands for the condition that picks a strategy's rows, PERIODS for the bars of a
    year. The models compute all figures at once, and otherwise: that is a check of both.
-#}
{% macro figures() -%}
    {%- set money -%}
with spot as (
    select r.*, close_spot / (1 + r.r_spot) as spot_before
    from returns_decomposed as r
    inner join prices_merged using (symbol, timeframe, ts)
    where ROWS
),

notionals as (
    select *, spot_before / first_value(spot_before) over (order by ts) as notional
    from spot
),

money as (
    select
        ts,
        sum(notional * r_net) over (order by ts) as result,
        sum(notional * r_hedge) over (order by ts) as perp_result
    from notionals
)
    {%- endset -%}
    {%- set weeks -%}
with weeks as (
    select date_trunc('week', ts) as week, exp(sum(ln(1 + r_net))) - 1 as week_return
    from returns_decomposed
    where ROWS
    group by week
    having count(*) >= 5 * PERIODS / 365
)
    {%- endset -%}
    {%- set aggregates = {
        'bars': 'count(*)',
        'hedge_ratio_mean': 'avg(hedge_ratio)',
        'hedge_ratio_std': 'stddev_samp(hedge_ratio)',
        'variance_reduction': '1 - var_samp(r_net) / var_samp(r_spot)',
        'variance_reduction_price': '1 - var_samp(r_spot + r_hedge) / var_samp(r_spot)',
        'sharpe': 'avg(r_net) / stddev_samp(r_net) * sqrt(PERIODS)',
        'volatility': 'stddev_samp(r_net) * sqrt(PERIODS)',
        'turnover': 'sum(abs(trade))',
        'turnover_per_year': 'sum(abs(trade)) * PERIODS / count(*)',
        'fees': 'sum(r_fees)',
        'funding': 'sum(r_funding)',
        'total_return': 'exp(sum(ln(1 + r_net))) - 1',
        'max_drawdown': 'min(drawdown)',
        'expected_shortfall_95':
            'list_avg(list_sort(list(r_net))[1:ceil(count(*) / 20.0)::bigint])',
        'worst_bar': 'min(r_net)',
    } -%}
    {%- set queries = [] -%}
    {%- for figure, expression in aggregates.items() -%}
        {%- do queries.append((
            figure, 'select ' ~ expression ~ '\nfrom returns_decomposed\nwhere ROWS'
        )) -%}
    {%- endfor -%}
    {%- for figure, start, query in [
        ('worst_week', weeks, '\nselect min(week_return)\nfrom weeks'),
        ('pnl_frac', money, '\nselect last(result order by ts)\nfrom money'),
        (
            'pnl_max_drawdown',
            money,
            ',\n\npeaks as (\n    select *, greatest(0, max(result) over (order by ts)) as peak\n'
            ~ '    from money\n)\n\nselect min((1 + result) / (1 + peak) - 1)\nfrom peaks',
        ),
        ('perp_pnl_low', money, '\nselect least(0, min(perp_result))\nfrom money'),
    ] -%}
        {%- do queries.append((figure, start ~ query)) -%}
    {%- endfor -%}
    {%- do return(queries) -%}
{%- endmacro %}


{% macro figures_listed() -%}
    select
        samples.symbol,
        samples.timeframe,
        samples.strategy,
        figures.figure,
        trim(columns.comment, e' \n') as definition,
        replace(
            replace(
                figures.query,
                'ROWS',
                format(
                    'symbol = ''{}'' and timeframe = ''{}'' and strategy = ''{}''',
                    replace(samples.symbol, '''', ''''''),
                    samples.timeframe,
                    replace(samples.strategy, '''', '''''')
                )
            ),
            'PERIODS',
            samples.periods_per_year::bigint::varchar
        ) as query
    from (
        select symbol, timeframe, strategy, periods_per_year
        from hedge_metrics inner join int_samples using (symbol, timeframe)
    ) as samples
    cross join (
        values
        {%- for figure, query in figures() %}
        ('{{ figure }}', {{ sql_text(query) }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as figures (figure, query)
    inner join duckdb_columns() as columns
        on columns.column_name = figures.figure
        and columns.table_name in ('hedge_metrics', 'hedge_tails')
        and columns.schema_name = 'main'
    order by all
{%- endmacro %}
