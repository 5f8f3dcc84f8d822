-- Is funding predictable, and how long must a hedge be held?
--
-- A row per lag, counted in prints: the correlation of a print with the one so many
-- prints before it, and how often both had the same sign. expected_rate is the mean,
-- moved towards the last print by that correlation: what the print so far ahead is
-- expected to be. break_even_days is the time in which a rate that stays there pays
-- for entry and exit.
-- Caveats: one correlation for calm and wild times alike, without an interval; far lags
-- have few independent pairs. The basis at entry and exit is left out, and can be worth
-- weeks of funding. NULL where such a rate does not pay the short, or rates never
-- changed.
with
lags as (
    select lags.lag_prints
    from (values (1), (2), (3), (6), (9), (21), (42), (90)) as lags (lag_prints)
),

prints as (
    select
        symbol,
        funding_rate,
        accrual_ms,
        row_number() over (partition by symbol order by ts) as place
    from int_funding_prints
),

-- the last print, and the mean of all
outlooks as (
    select
        symbol,
        avg(funding_rate) as mean_rate,
        max(case when latest = 1 then funding_rate end) as last_rate,
        86400000.0 * count(*) / sum(accrual_ms) as prints_per_day
    from (
        select
            *,
            row_number() over (partition by symbol order by place desc) as latest
        from prints
    ) as counted
    group by symbol
),

costs as (
    select
        symbol,
        max(0 - fees / turnover) as cost
    from hedge_metrics
    where turnover > 0
    group by symbol
),

pairs as (
    select
        later.symbol,
        lags.lag_prints,
        count(*) as pairs,
        case
            when stddev_samp(later.funding_rate) > 0
                and stddev_samp(earlier.funding_rate) > 0
                then corr(later.funding_rate, earlier.funding_rate)
        end as correlation,
        avg(
            case
                when sign(later.funding_rate) = sign(earlier.funding_rate) then 1.0
                else 0.0
            end
        ) as same_sign
    from prints as later
    cross join lags
    inner join prints as earlier
        on later.symbol = earlier.symbol
        and later.place = earlier.place + lags.lag_prints
    group by later.symbol, lags.lag_prints
),

expected as (
    select
        pairs.*,
        outlooks.mean_rate
        + pairs.correlation * (outlooks.last_rate - outlooks.mean_rate) as expected_rate,
        outlooks.prints_per_day,
        costs.cost
    from pairs
    inner join outlooks on pairs.symbol = outlooks.symbol
    inner join costs on pairs.symbol = costs.symbol
)

select
    symbol,
    lag_prints,
    round(lag_prints / prints_per_day, 2) as lag_days,
    pairs,
    round(correlation, 4) as correlation,
    round(same_sign, 4) as same_sign,
    round(expected_rate, 8) as expected_rate,
    case
        when expected_rate > 0
            then round(2 * cost / (expected_rate * prints_per_day), 2)
    end as break_even_days
from expected
order by symbol, lag_prints;
