-- One row per market, window and bar: the slope on r_fut of the regression of r_spot on
-- r_fut and the basis at the close before, over the rows before the bar. A basis that
-- closes moves spot, too; left out, it is taken for a part of the slope.
with
merged_bars as (select * from {{ ref('int_merged_bars') }}),

windows as (
    select distinct timeframe, beta_window
    from {{ all_strategies() }}
    where estimator = 'error_correction'
),

regressed as (
    select
        merged_bars.market, windows.beta_window, merged_bars.row_index,
        merged_bars.usable_r_fut, merged_bars.usable_r_spot, case
            when merged_bars.usable_r_fut is not null
                then merged_bars.previous_close_perp / merged_bars.previous_close_spot - 1
        end as basis
    from merged_bars
    inner join windows on merged_bars.timeframe = windows.timeframe
    where {{ takes_a_ratio() }}
),

moments as (
    select
        *,
        {{ is_frame_usable('usable_r_fut', 'rows_before', 'beta_window') }} as is_usable,
        var_samp(usable_r_fut) over rows_before as var_fut,
        var_samp(basis) over rows_before as var_basis,
        covar_samp(usable_r_fut, basis) over rows_before as cov_fut_basis,
        covar_samp(usable_r_spot, usable_r_fut) over rows_before as cov_spot_fut,
        covar_samp(usable_r_spot, basis) over rows_before as cov_spot_basis
    from regressed
    window rows_before as (
        partition by market, beta_window
        order by row_index
        {{ rows_before('beta_window') }}
    )
)

select
    market,
    'error_correction' as estimator,
    beta_window,
    0 as halflife,
    row_index,
    case
        -- 1e-9: regressors that are one and the same but for rounding tell no slope apart
        when
            is_usable
            and var_fut * var_basis - cov_fut_basis * cov_fut_basis
            > 1e-9 * var_fut * var_basis
            then
                (cov_spot_fut * var_basis - cov_spot_basis * cov_fut_basis)
                / (var_fut * var_basis - cov_fut_basis * cov_fut_basis)
    end as beta
from moments
