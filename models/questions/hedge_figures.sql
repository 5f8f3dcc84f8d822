-- Every figure of each strategy: its definition, and a query that recomputes it, to paste
-- and to alter. The models compute all figures at once and in another way, so each checks
-- the other. The queries are in hedge_figures.yml.
{% set queries = model.config.meta.queries if execute else [] %}

with
figures (figure, query) as (
    values
    {%- for query in queries %}
    {%- set is_last_query = loop.last %}
    {%- for figure, expression in query.figures.items() %}
    (
        '{{ figure }}', {{ sql_text(query.sql | replace('EXPRESSION', expression)) }}
    ){{ ',' if not (loop.last and is_last_query) }}
    {%- endfor %}
    {%- endfor %}
),

strategies as (
    select
        metrics.symbol, metrics.timeframe, metrics.strategy,
        cast(cast(samples.periods_per_year as bigint) as varchar) as periods,
        format(
            'symbol = ''{}'' and timeframe = ''{}'' and strategy = ''{}''',
            replace(metrics.symbol, '''', ''''''),
            metrics.timeframe,
            replace(metrics.strategy, '''', '''''')
        ) as its_rows
    from {{ ref('hedge_metrics') }} as metrics
    inner join {{ ref('int_samples') }} as samples using (symbol, timeframe)
),

-- the comments of the columns of {{ ref('hedge_metrics') }} and {{ ref('hedge_tails') }}
definitions as (
    select
        column_name as figure,
        trim(comment, e' \n') as definition
    from duckdb_columns()
    where
        schema_name = 'main'
        and table_name in ('hedge_metrics', 'hedge_tails')
)

select
    strategies.symbol,
    strategies.timeframe,
    strategies.strategy,
    figure,
    definitions.definition,
    -- names last, so that nothing in them is taken for a placeholder
    replace(
        replace(figures.query, 'PERIODS', strategies.periods),
        'ROWS', strategies.its_rows
    ) as query
from strategies
cross join figures
inner join definitions using (figure)
order by strategies.symbol, strategies.timeframe, strategies.strategy, figure
