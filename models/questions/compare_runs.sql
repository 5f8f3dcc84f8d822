-- The run folders below a folder, one row per strategy, newest first, from metrics.json
-- and metadata.json. DuckDB resolves a relative folder from where the client was started.
{{ config(parameters=["folder := 'runs'"]) }}

{% set metrics = 'model.' ~ project_name ~ '.hedge_metrics' %}
{% set columns = graph.nodes[metrics].columns if execute else {} %}
{% set root = "coalesce(nullif(rtrim(folder, '/'), ''), '.')" %}

with
found as (
    select
        filename,
        content
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

files as (
    select
        regexp_replace(filename, '/[^/]*$', '') as run,
        parse_filename(filename) as file,
        try_cast(content as json) as content
    from found
),

runs as (
    select
        run,
        any_value(case when file = 'metrics.json' then content end) as metrics,
        any_value(case when file = 'metadata.json' then content end) as metadata,
        try_cast(metrics -> 'strategies' as map (varchar, json)) as strategies
    from files
    -- a copy of a run, unless it is the folder that was asked for
    where run = {{ root }} or not regexp_matches(run, '/(latest|[.][^/]*)$')
    group by run
    having bool_or(file = 'metrics.json')
),

listed as (
    select
        run, metrics, metadata,
        -- one row without figures for a run without strategies
        unnest(coalesce(nullif(map_keys(strategies), []), [null])) as strategy,
        unnest(map_values(strategies)) as figures,
        unnest(range(len(map_keys(strategies)))) as place
    from runs
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
    strategy,
    strategy = metrics ->> 'selected_strategy' as is_selected,
    try_cast(metadata -> 'dbt_vars' ->> 'fees_bps' as double) as fees_bps,
    try_cast(metrics ->> 'perp_is_proxy' as boolean) as perp_is_proxy,
    try_cast(metrics -> 'sample' ->> 'start' as timestamp) as sample_start,
    try_cast(metrics -> 'sample' ->> 'end' as timestamp) as sample_end,
    {%- for name, column in columns.items()
        if name not in ['symbol', 'timeframe', 'strategy'] %}
    try_cast(figures ->> '{{ name }}' as {{ column.data_type }}) as {{ name }},
    {%- endfor %}
    run
from listed
order by
    built_ts desc nulls last,
    symbol asc,
    -- two runs within a second: the later one has a suffix
    length(run) desc,
    run desc,
    place asc
