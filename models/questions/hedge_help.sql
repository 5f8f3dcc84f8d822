-- What the database answers, in a reader's order: questions, analyses and tables.
{% set questions = [
    'compare_strategies', 'what_if', 'funding_by_month', 'worst_drawdowns', 'hedge_on',
    'compare_runs', 'hedge_figures',
] %}
{% set tables = [
    'hedge_verdict', 'hedge_metrics', 'hedge_intervals', 'data_incidents',
    'hedge_metrics_by_regime', 'hedge_tails', 'carry_attribution', 'variance_components',
    'leg_comovement', 'paper_rebalance_log', 'returns_decomposed', 'beta_series',
    'prices_merged', 'coverage', 'hedge_strategies', 'incident_kinds', 'sweep_metrics',
] %}
{% for name in questions %}
-- depends on {{ ref(name) }}
{% endfor %}

with
listed (kind, name, example, description) as (
    values
    {%- for node in (graph.nodes.values() if execute else [])
        if node.resource_type in ['analysis', 'model', 'seed']
        and not node.name.startswith(('int_', 'stg_', 'plot_', 'hedge_help')) %}
    (
        {%- if node.resource_type == 'analysis' %}
        'analysis',
        '{{ node.name }}',
        {{ sql_text('.read ' ~ node.original_file_path) }},
        {%- else %}
        '{{ 'question' if node.config.materialized == 'table_function' else 'table' }}',
        '{{ node.name }}',
        {{ sql_text('from ' ~ node.config.meta.get('example', node.name)) }},
        {%- endif %}
        {{ sql_text(node.description) }}
    ){{ ',' if not loop.last }}
    {%- endfor %}
)

select
    kind,
    example,
    -- the first sentence
    rtrim(split_part(replace(description, chr(10), ' '), '. ', 1), '. ') as what
from listed
order by
    list_position(['question', 'analysis', 'table'], kind),
    list_position({{ questions + tables }}, name) nulls last,
    example
