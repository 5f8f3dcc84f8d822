-- One row per symbol, timeframe, series, strategy and bar that is kept: the lines of the
-- report, thinned to the first, last, lowest and highest bar of 250 stretches of the
-- sample. No extreme is lost, and a line that is drawn 250 pixels wide is the line
-- through all bars (M4: Jugel et al. 2014). Key: symbol, timeframe, series, strategy, ts.
{{ config(materialized='view') }}

{% set stretches = 250 %}
{% set line = 'symbol, timeframe, series, strategy' %}

with
returns as (select * from {{ ref('returns_decomposed') }}),
samples as (select * from {{ ref('int_samples') }}),

{#- name: value, of returns_decomposed -#}
{%- set values = {
    'growth': 'exp(cum_log_return) - 1',
    'drawdown': 'drawdown',
    'hedge_ratio': 'hedge_ratio',
    'funding_received':
        'sum(r_funding) over (partition by symbol, timeframe, strategy order by ts'
        ~ ' rows between unbounded preceding and current row)',
} %}

series as (
    {%- for name, value in values.items() %}
    select symbol, timeframe, '{{ name }}' as series, strategy, ts, {{ value }} as value
    from returns
    union all
    {%- endfor %}
    select symbol, timeframe, 'volatility' as series, strategy, ts, volatility as value
    from {{ ref('plot_rolling_volatility') }}
    union all
    select
        symbol,
        timeframe,
        'funding_rate' as series,
        'market' as strategy,
        ts,
        funding_rate * {{ periods_per_year('timeframe') }} as value
    from {{ ref('prices_merged') }}
),

stretched as (
    select
        series.*,
        floor(
            {{ stretches }}.0 * {{ ms_between('samples.start_ts', 'series.ts') }}
            / ({{ ms_between('samples.start_ts', 'samples.end_ts') }} + 1)
        ) as stretch
    from series
    inner join samples
        on series.symbol = samples.symbol
        and series.timeframe = samples.timeframe
        and series.ts between samples.start_ts and samples.end_ts
    where series.value is not null
),

kept as (
    select
        {{ line }},
        stretch,
        min(ts) as first_ts,
        max(ts) as last_ts,
        {{ first_by('ts', row_of('value', 'ts')) }} as lowest_ts,
        {{ last_by('ts', row_of('value', 'ts')) }} as highest_ts
    from stretched
    group by {{ line }}, stretch
)

select
    {{ line }},
    stretched.ts,
    stretched.value
from stretched
inner join kept using ({{ line }}, stretch)
where stretched.ts in (kept.first_ts, kept.last_ts, kept.lowest_ts, kept.highest_ts)
