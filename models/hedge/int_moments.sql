-- One row per series: sums, means, variances and covariances of the parts of its return
-- over the evaluated bars, and the ends and extremes of its paths. Key: series.
{% set parts = return_parts() %}

with
positions as (select * from {{ ref('int_positions') }} where r_net is not null),
series as (select * from {{ ref('int_series') }}),
merged_bars as (select * from {{ ref('int_merged_bars') }}),

-- around the entry's, or rounding would drown a ratio that hardly moves
entries as (
    select
        positions.series,
        positions.hedge_ratio
    from positions
    inner join series
        on positions.series = series.series
        and positions.row_index = series.start_row
),

bars as (
    select
        positions.*,
        entries.hedge_ratio as entry_ratio,
        positions.hedge_ratio - entries.hedge_ratio as from_entry,
        merged_bars.r_spot,
        0 - positions.hedge_ratio * merged_bars.r_fut as r_hedge,
        positions.hedge_ratio * merged_bars.funding_rate as r_funding,
        0 - {{ fee('positions.trade') }} as r_fees
    from positions
    inner join series on positions.series = series.series
    inner join entries on positions.series = entries.series
    inner join merged_bars
        on series.market = merged_bars.market
        and positions.row_index = merged_bars.row_index
)

select
    series,
    count(*) as bars,
    max(entry_ratio) + {{ exact_mean('from_entry') }} as hedge_ratio_mean,
    {{ exact_variance('from_entry') }} as hedge_ratio_var,
    {{ exact_mean('r_spot') }} as mean_spot,
    {{ exact_mean('(1 - hedge_ratio) * r_spot') }} as mean_unhedged,
    {{ exact_mean('r_net') }} as mean_net,
    {{ exact_variance('r_net') }} as var_net,
    {{ exact_variance('r_spot + r_hedge') }} as var_price,
    {{ exact_sum('abs(trade)') }} as turnover,
    {%- for part in parts %}
    {{ exact_sum(part) }} as {{ part }},
    {{ exact_variance(part) }} as var_{{ part }},
    {%- for other in parts[loop.index:] %}
    2 * {{ exact_covariance(part, other) }} as cov_{{ part }}_{{ other }},
    {%- endfor %}
    {%- endfor %}
    {{ last_by('cum_log_return', 'row_index') }} as cum_log_return,
    min(drawdown) as max_drawdown,
    {{ last_by('wealth', 'row_index') }} as wealth,
    min(pnl_drawdown) as pnl_max_drawdown,
    least(0, min(perp_pnl)) as perp_pnl_low
from bars
group by series
