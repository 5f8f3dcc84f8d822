select
    symbol,
    end_ts,
    close_spot,
    close_perp
from {{ ref('int_pairs') }}
where not (least(close_spot, close_perp) > 0)
