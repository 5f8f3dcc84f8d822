-- The same trades at other costs: a fee in basis points, which replaces fee and slippage,
-- and funding times a factor.
{{ config(parameters=['fees_bps', 'funding_factor := 1']) }}

with
costed as (
    select
        symbol, timeframe, strategy, r_spot, hedge_ratio,
        0 - fees_bps / 10000 * abs(trade) as r_fees,
        funding_factor * r_funding as r_funding,
        r_spot + r_hedge
        + funding_factor * r_funding
        - fees_bps / 10000 * abs(trade) as r_net
    from {{ ref('returns_decomposed') }}
),

summed as (
    select
        symbol, timeframe, strategy,
        max(abs(hedge_ratio)) > 0 as is_hedge,
        var_samp(r_net) as var_net,
        var_samp(r_spot) as var_spot,
        avg(r_net) as mean_net,
        min(r_net) as lowest_net,
        {{ compounded('r_net') }} as total_return,
        sum(r_fees) as fees,
        sum(r_funding) as funding
    from costed
    group by symbol, timeframe, strategy
)

select
    symbol,
    timeframe,
    strategy,
    round({{ variance_reduction('var_net', 'var_spot', 'is_hedge') }}, 8)
        as variance_reduction,
    round({{ sharpe('mean_net', 'var_net', 'timeframe', 'is_hedge') }}, 6) as sharpe,
    -- NULL once a bar loses everything
    case when lowest_net > -1 then round(total_return, 8) end as total_return,
    round(fees, 8) as fees,
    round(funding, 8) as funding
from summed
order by symbol, timeframe, strategy
