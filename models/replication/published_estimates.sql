-- One row per kind of return and hourly row: estimates over frames that end with the row
-- itself. Whoever hedges that very row with them looks ahead. Key: returns_kind,
-- row_index.
{% set beta_rows = 200 %}
{% set vol_rows = 30 %}
{% set static_share = 0.6 %}

with
bars as (select * from {{ ref('published_bars') }}),

split as (
    select
        *,
        case
            when row_index < floor({{ static_share }} * count(*) over whole)
                then r_spot
        end as static_r_spot
    from bars
    window whole as (partition by returns_kind)
)

select
    returns_kind,
    row_index,
    {{ slope('static_r_spot', 'r_fut', over='whole') }} as beta_static,
    case
        when count(*) over beta_rows = {{ beta_rows }}
            then {{ slope('r_spot', 'r_fut', over='beta_rows') }}
    end as beta_rolling,
    case
        when count(*) over own_beta_rows = {{ rows_of_var('beta_window', '1h') }}
            then {{ slope('r_spot', 'r_fut', over='own_beta_rows') }}
    end as beta_own_window,
    case
        when count(*) over vol_rows = {{ vol_rows }}
            then stddev_samp(r_spot) over vol_rows
    end as hourly_vol
from split
window
    whole as (partition by returns_kind),
    beta_rows as (
        partition by returns_kind
        order by row_index
        rows between {{ beta_rows - 1 }} preceding and current row
    ),
    own_beta_rows as (
        partition by returns_kind
        order by row_index
        {{ last_rows(rows_of_var('beta_window', '1h')) }}
    ),
    vol_rows as (
        partition by returns_kind
        order by row_index
        rows between {{ vol_rows - 1 }} preceding and current row
    )
