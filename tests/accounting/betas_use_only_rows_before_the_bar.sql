-- 1e-9: the two ways of summing differ in the last digits only.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

picked as (
    select
        betas.market,
        betas.beta_window,
        betas.row_index,
        betas.beta,
        bars.ts
    from {{ ref('int_betas') }} as betas
    inner join merged_bars as bars
        on betas.market = bars.market
        and betas.row_index = bars.row_index
    where
        betas.estimator = 'rolling'
        and betas.beta is not null
        and (bars.row_index % 500 = 0 or bars.is_next_bar)
),

recomputed as (
    select
        picked.market,
        picked.beta_window,
        picked.row_index,
        picked.ts,
        picked.beta,
        max(past.end_ts) as last_known_ts,
        covar_samp(past.usable_r_spot, past.usable_r_fut)
        / var_samp(past.usable_r_fut) as beta_from_the_past
    from picked
    inner join merged_bars as past
        on picked.market = past.market
        and past.row_index between
        picked.row_index - picked.beta_window and picked.row_index - 1
    group by
        picked.market,
        picked.beta_window,
        picked.row_index,
        picked.ts,
        picked.beta
)

select *
from recomputed
where
    last_known_ts > ts
    or not (abs(beta - beta_from_the_past) < 1e-9)
