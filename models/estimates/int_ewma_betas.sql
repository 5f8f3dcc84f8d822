-- One row per market, window, half-life and bar: the slope of r_spot on r_fut over the
-- rows before the bar, each weighted by 0.5 ^ (age in rows / half-life), none older than
-- 20 half-lives. Unusable rows age the others, and weigh nothing.
--
-- Weights that grow with a row's place would overflow, so they start again with each
-- stretch of 20 half-lives: a frame is what lies before the bar in its own stretch, and
-- what lies from the bar's place on in the stretch before, 2 ^ 20 times lighter.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

windows as (
    select distinct timeframe, beta_window, halflife
    from {{ all_strategies() }}
    where estimator = 'ewma'
),

numbered as (
    select
        merged_bars.market, windows.beta_window, windows.halflife,
        merged_bars.row_index as bar_row,
        merged_bars.usable_r_spot as y,
        merged_bars.usable_r_fut as x,
        {{ ewma_cut_halflives() }} * windows.halflife as stretch_rows,
        row_number() over (
            partition by merged_bars.market, windows.beta_window, windows.halflife
            order by merged_bars.row_index
        ) - 1 as row_index
    from merged_bars
    inner join windows on merged_bars.timeframe = windows.timeframe
    where {{ takes_a_ratio('merged_bars') }}
),

placed as (
    select
        *,
        cast(floor(1.0 * row_index / stretch_rows) as integer) as stretch,
        row_index % stretch_rows as place
    from numbered
),

weighted as (
    select
        *,
        case when x is not null then power(2.0, 1.0 * place / halflife) else 0 end as w,
        coalesce(x, 0) as x_or_0,
        coalesce(y, 0) as y_or_0
    from placed
),

summed as (
    select
        market, beta_window, halflife, bar_row, row_index, stretch_rows, stretch,
        place,
        {%- for name, value in ewma_sums().items() %}
        coalesce(sum({{ value }}) over before, 0) as {{ name }}_before,
        sum({{ value }}) over from_here as {{ name }}_from_here,
        {%- endfor %}
        count(x) over in_frame as usable_rows,
        count(*) over in_frame as frame_rows
    from weighted
    window
        before as (
            partition by market, beta_window, halflife, stretch
            order by place
            rows between unbounded preceding and 1 preceding
        ),
        from_here as (
            partition by market, beta_window, halflife, stretch
            order by place
            rows between current row and unbounded following
        ),
        in_frame as (
            partition by market, beta_window, halflife
            order by row_index
            {{ rows_before('stretch_rows') }}
        )
),

framed as (
    select
        current_rows.market, current_rows.beta_window, current_rows.halflife,
        current_rows.bar_row,
        {%- for name in ewma_sums() %}
        current_rows.{{ name }}_before
        + coalesce(earlier.{{ name }}_from_here, 0)
        * power(2.0, -{{ ewma_cut_halflives() }}) as {{ name }},
        {%- endfor %}
        current_rows.row_index, current_rows.usable_rows, current_rows.frame_rows
    from summed as current_rows
    left join summed as earlier
        on current_rows.market = earlier.market
        and current_rows.beta_window = earlier.beta_window
        and current_rows.halflife = earlier.halflife
        and current_rows.stretch = earlier.stretch + 1
        and current_rows.place = earlier.place
)

select
    market,
    'ewma' as estimator,
    beta_window,
    halflife,
    bar_row as row_index,
    case
        -- 1e-12: without a variance but for rounding there is no slope
        when
            row_index >= beta_window
            and usable_rows >= {{ least_usable_share() }} * frame_rows
            and sum_w * sum_wxx - sum_wx * sum_wx > 1e-12 * sum_w * sum_wxx
            then
                (sum_w * sum_wxy - sum_wx * sum_wy) / (sum_w * sum_wxx - sum_wx * sum_wx)
    end as beta
from framed
