-- 1e-9: the two ways of summing differ in the last digits only.
with
picked as (
    select
        betas.symbol,
        betas.timeframe,
        betas.beta_window,
        betas.ts,
        betas.beta,
        bars.row_index
    from {{ ref('int_betas') }} as betas
    inner join {{ ref('int_merged_bars') }} as bars
        on betas.symbol = bars.symbol
        and betas.timeframe = bars.timeframe
        and betas.ts = bars.ts
    where
        betas.estimator = 'rolling'
        and betas.beta is not null
        and (bars.row_index % 500 = 0 or bars.is_next_bar)
),

recomputed as (
    select
        picked.symbol,
        picked.timeframe,
        picked.beta_window,
        picked.ts,
        picked.beta,
        max(past.end_ts) as last_known_ts,
        covar_samp(past.usable_r_spot, past.usable_r_fut)
        / var_samp(past.usable_r_fut) as beta_from_the_past
    from picked
    inner join {{ ref('int_merged_bars') }} as past
        on picked.symbol = past.symbol
        and picked.timeframe = past.timeframe
        and past.row_index between
        picked.row_index - picked.beta_window and picked.row_index - 1
    group by
        picked.symbol,
        picked.timeframe,
        picked.beta_window,
        picked.ts,
        picked.beta
)

select *
from recomputed
where
    last_known_ts > ts
    or not (abs(beta - beta_from_the_past) < 1e-9)
