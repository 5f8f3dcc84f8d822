-- Bars of two sizes in one leg cannot be resampled together: narrow the glob to one size.
select
    leg,
    symbol,
    min(spacing_ms) as smallest_spacing_ms,
    max(spacing_ms) as largest_spacing_ms,
    count(*) as files
from {{ ref('int_input_files') }}
where leg <> 'funding'
group by leg, symbol
having min(spacing_ms) <> max(spacing_ms)
