# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Spot–perp hedge: from prices to a verdict
#
# You hold spot. How much of the perpetual do you short, what does the hedge cost, what does
# funding pay you, and how sure can you be?
#
# The answers are in one DuckDB file that dbt built. Each cell below asks it in SQL and shows what
# it says, or draws it with the functions that draw a run folder's plots. Nothing is computed in
# pandas: `duckdb -readonly data/hedge.duckdb` answers the same queries, with texts of yours for
# `$symbol`, `$timeframe` and `$strategy`.
#
# `make notebook` opens these cells on your own build. The outputs that come with the project are
# those of its sample data: **invented prices**, which say nothing about any market. Files named
# `…_sample…` in the table of files below are the invented ones.
#
# Numbers are fractions unless a column ends in `_pct` (percent) or `_bps` (basis points, a
# hundredth of a percent). Times are UTC, a bar is named by its open. `NaN`, `NaT` and `None` stand
# for SQL's NULL: not known.

# %%
import io
import os
import sys

sys.path.insert(0, "..")  # a notebook runs in its own folder, the project is the one above

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure

from scripts import plots
from scripts.database import open_build, samples_in
from scripts.project import DATABASE, ROOT

# six digits, and nothing for what is only rounding
pd.options.display.float_format = lambda number: f"{round(number, 9) + 0:,.6g}"
pd.options.display.max_columns = None
pd.options.display.max_colwidth = None

database = ROOT / (os.environ.get("HEDGE_DATABASE") or DATABASE)
with open_build(database) as build:
    # the first of the build: for another one, write it here
    symbol, timeframe = samples_in(build)[0]
    (strategy,) = build.execute(
        "select strategy from int_strategies where is_selected and timeframe = ?", [timeframe]
    ).fetchone()
chosen = {"symbol": symbol, "timeframe": timeframe, "strategy": strategy}


def sql(query: str) -> pd.DataFrame:
    """Return the rows of a query; $symbol, $timeframe and $strategy are those chosen above."""
    values = {name: value for name, value in chosen.items() if f"${name}" in query}
    # opened for each question alone, so that a new build finds no reader in its way
    with open_build(database) as build:
        return build.execute(query, values).fetchdf()


def show(figure: Figure, alt: str) -> Image:
    """Return a figure as an image."""
    png = io.BytesIO()
    figure.savefig(png, dpi=90)
    plt.close(figure)
    return Image(png.getvalue(), alt=alt)


def draw(name: str) -> Image:
    """Return a plot of the run folder, by its name there."""
    with open_build(database) as build:
        return show(getattr(plots, name)(build, symbol, timeframe), alt=name)


pd.Series(chosen, name="chosen").to_frame()

# %% [markdown]
# ## What was read
#
# The build keeps a line on each file, and a ledger of what is wrong with the data: read it before
# you believe a figure. What matters most comes first, ten rows at most.

# %%
sql("""
select
    leg,
    parse_filename(source_file) as file,
    input_rows,
    first_ts,
    last_ts,
    raw_step_ms / 60000 as step_minutes
from int_input_files
where symbol = $symbol
order by leg desc, file
""")

# %%
sql("""
select source, kind, severity, ts, ts_end, affected, detail
from data_incidents
where symbol = $symbol
order by list_position(['error', 'warn', 'info'], severity), affected desc, ts, source
limit 10
""")

# %% [markdown]
# ## The two legs, and funding
#
# A bar is kept where both legs have it. The basis is what the perp costs more than spot; funding
# is what longs pay to shorts to keep it small. Seen by day: spot's last close, the last basis, and
# the funding of the day.

# %%
days = sql("""
select
    time_bucket(interval '1 day', ts) as day,
    last(close_spot order by ts) as spot,
    last(basis_bps order by ts) as basis_bps,
    10000 * sum(funding_rate) as funding_bps
from prices_merged
where symbol = $symbol and timeframe = $timeframe
group by day
order by day
""")
axes = days.plot(
    x="day",
    subplots=True,
    legend=False,
    figsize=plots.SIZE,
    color=plots.TOTAL,
    linewidth=1.2,
    xlabel="",
    title=["Spot's close", "Basis, bp of spot", "Funding of the day, bp"],
)
show(axes[0].figure, alt="spot, basis and funding by day")

# %% [markdown]
# ## Returns, basis and correlation
#
# Returns are simple, over consecutive bars that both legs have. The first bar has none. A return
# over a gap (`is_gap`) is real money and stays in the result, but enters no estimate. These are
# the first bars, and those after gaps:

# %%
sql("""
select
    ts,
    close_spot,
    close_perp,
    basis_bps,
    r_spot,
    r_fut,
    funding_rate,
    bars_elapsed,
    is_gap
from prices_merged
where symbol = $symbol and timeframe = $timeframe
qualify row_number() over (order by ts) <= 3 or is_gap
order by ts
limit 8
""")

# %% [markdown]
# How alike are the legs? `spot_bps` is the standard deviation of spot's bar, `difference_bps` that
# of spot less perp: what a short of the same notional cannot remove. A correlation with the *other*
# leg's earlier bar would say that one leg leads. A build without a perp has no row here.

# %%
sql("""
select
    bars,
    correlation,
    spot_bps,
    difference_bps,
    correlation_spot_earlier,
    correlation_perp_earlier,
    difference_autocorrelation
from leg_comovement
where symbol = $symbol and timeframe = $timeframe
""")

# %% [markdown]
# What is left of a full hedge is the basis moving: to first order, spot's return less the perp's is
# what the basis fell by.

# %%
sql("""
select
    ts,
    10000 * r_spot as r_spot_bps,
    10000 * (r_spot - r_fut) as left_bps,
    lag(basis_bps) over (order by ts) - basis_bps as basis_fall_bps
from prices_merged
where symbol = $symbol and timeframe = $timeframe
order by ts desc
limit 5
""")

# %% [markdown]
# ## How funding is spread over bars
#
# An exchange pays funding at an instant, every 8 hours or so. Here a print accrues evenly until the
# next one, for 8 hours at most, and a bar gets what accrued since the bar before it ended. So a
# bar's carry does not hang on which bar holds the payment. The last bars, each with the print that
# accrues at its open (a long bar gets parts of several):

# %%
sql("""
select
    bars.ts,
    10000 * bars.funding_rate as bar_bps,
    prints.ts as print_ts,
    10000 * prints.funding_rate as print_bps,
    prints.accrual_ms / 3600000 as accrues_hours
from prices_merged as bars
asof join int_funding_prints as prints
    on bars.symbol = prints.symbol and bars.ts >= prints.ts
where bars.symbol = $symbol and bars.timeframe = $timeframe
order by bars.ts desc
limit 10
""")

# %% [markdown]
# Nothing is lost: over all bars, the bars' funding is that of the prints, each for the part of its
# time that the bars cover. Time that no print covers accrues 0, and is in the ledger above.

# %%
sql("""
with
bars as (
    select
        symbol,
        min(end_ts) as start_ts,
        max(end_ts) as end_ts,
        sum(funding_rate) as funding
    from int_merged_bars
    where symbol = $symbol and timeframe = $timeframe and not is_next_bar
    group by symbol
),

shares as (
    select
        bars.funding as of_bars,
        prints.funding_rate
        * (
            epoch_ms(least(prints.ts + to_milliseconds(prints.accrual_ms), bars.end_ts))
            - epoch_ms(greatest(prints.ts, bars.start_ts))
        ) / prints.accrual_ms as of_print
    from bars
    inner join int_funding_prints as prints
        on bars.symbol = prints.symbol
        and prints.ts < bars.end_ts
        and prints.ts + to_milliseconds(prints.accrual_ms) > bars.start_ts
)

select
    count(*) as prints,
    100 * sum(of_print) as of_prints_pct,
    100 * any_value(of_bars) as of_bars_pct,
    100 * (sum(of_print) - any_value(of_bars)) as difference_pct
from shares
""")

# %% [markdown]
# ## The hedge ratio, without look-ahead
#
# The ratio of a bar is fixed at the close before it. A rolling strategy takes the slope of spot on
# the perp over the `beta_window` rows before the bar: the frame ends at `1 preceding`, and the bar
# itself is not in it. Here is one of them again, from the prices, beside what the build has:

# %%
sql("""
with
rolling as (
    select strategy, beta_window
    from int_strategies
    where timeframe = $timeframe and estimator = 'rolling'
    order by strategy
    limit 1
),

again as (
    select
        bars.symbol,
        bars.timeframe,
        rolling.strategy,
        bars.ts,
        rolling.beta_window,
        regr_slope(
            case when not bars.is_gap then bars.r_spot end,
            case when not bars.is_gap then bars.r_fut end
        ) over (
            order by bars.ts rows between rolling.beta_window preceding and 1 preceding
        ) as slope
    from prices_merged as bars
    cross join rolling
    where
        bars.symbol = $symbol and bars.timeframe = $timeframe and bars.r_spot is not null
)

select
    strategy,
    any_value(beta_window) as beta_window,
    count(*) as bars_compared,
    min(beta) as lowest_beta,
    max(beta) as highest_beta,
    max(abs(slope - beta)) as largest_difference
from again
inner join beta_series using (symbol, timeframe, strategy, ts)
where beta is not null
group by strategy
""")

# %% [markdown]
# Until the first frame is full there is no ratio: that is the **warm-up**. It is reported, and
# never shown as unhedged. All strategies are scored on the same bars, from the first at which each
# has a ratio. `held` counts the bars at which an estimate was undefined and the last ratio was
# kept. The estimator `static` knows the whole sample: it is a yardstick, and no forecast.

# %%
sql("""
select
    strategy,
    int_strategies.estimator,
    count(*) filter (status = 'warmup') as warmup,
    count(*) filter (status = 'ok') as ok,
    count(*) filter (status = 'held') as held,
    min(ts) filter (status = 'ok') as first_ratio_ts,
    any_value(start_ts) as evaluated_from
from beta_series
inner join int_strategies using (timeframe, strategy)
inner join int_samples using (symbol, timeframe)
inner join hedge_strategies using (strategy)
where symbol = $symbol and timeframe = $timeframe
group by strategy, int_strategies.estimator, hedge_strategies.rowid
order by hedge_strategies.rowid
""")

# %%
draw("beta_vs_funding")

# %% [markdown]
# ## What a hedged return is made of
#
# Each bar's net return, as a fraction of the spot notional at its start, has four parts: spot's own
# return, the short perp's, the funding that the short receives, and the fees of the trade that
# brought the ratio to its target. The last bars of the chosen strategy:

# %%
sql("""
select
    ts,
    hedge_ratio,
    10000 * trade as trade_bps,
    10000 * r_spot as r_spot_bps,
    10000 * r_hedge as r_hedge_bps,
    10000 * r_funding as r_funding_bps,
    10000 * r_fees as r_fees_bps,
    10000 * r_net as r_net_bps
from returns_decomposed
where symbol = $symbol and timeframe = $timeframe and strategy = $strategy
order by ts desc
limit 5
""")

# %% [markdown]
# It adds up on every bar of every strategy: `largest_difference` is the largest of any single bar.
# The rest are sums of simple returns, in percent of the notional, not compounded.

# %%
sql("""
select
    strategy,
    100 * sum(r_spot) as spot_pct,
    100 * sum(r_hedge) as hedge_pct,
    100 * sum(r_funding) as funding_pct,
    100 * sum(r_fees) as fees_pct,
    100 * sum(r_net) as net_pct,
    max(abs(r_net - (r_spot + r_hedge + r_funding + r_fees))) as largest_difference
from returns_decomposed
inner join hedge_strategies using (strategy)
where symbol = $symbol and timeframe = $timeframe
group by strategy, hedge_strategies.rowid
order by hedge_strategies.rowid
""")

# %% [markdown]
# Seen by month: basis, funding, fees and the part left unhedged add up to net.

# %%
sql("""
select
    month,
    bars,
    100 * basis as basis_pct,
    100 * funding as funding_pct,
    100 * fees as fees_pct,
    100 * unhedged as unhedged_pct,
    100 * net as net_pct
from carry_attribution
where symbol = $symbol and timeframe = $timeframe and strategy = $strategy
order by month
""")

# %%
draw("cumlogret")

# %% [markdown]
# The variance adds up, too: that of each part, and twice each covariance. The legs' two variances
# and their covariance cancel almost wholly where a hedge works; what is left is enlarged below.

# %%
draw("variance_components")

# %% [markdown]
# ## Which hedge, and how sure
#
# Every strategy with its 95 % intervals, from resamples of whole blocks of days. The best utility
# comes first: the mean return a year less `risk_aversion` / 2 times its variance. Where `unhedged`
# ranks high, spot rose in this sample: that is a bet, and no hedge. A hedge's Sharpe ratio is its
# carry over the little risk that prices show. What they do not show, an exchange that fails or
# collateral that runs out, is not in it.

# %%
sql("""
select
    strategy,
    100 * metrics.variance_reduction as removed_pct,
    100 * removed.ci_low as removed_low,
    100 * removed.ci_high as removed_high,
    metrics.sharpe,
    sharpe.ci_low as sharpe_low,
    sharpe.ci_high as sharpe_high,
    100 * utility.estimate as utility_pct,
    100 * metrics.max_drawdown as drawdown_pct
from hedge_metrics as metrics
left join (from hedge_intervals where metric = 'variance_reduction') as removed
    using (symbol, timeframe, strategy)
left join (from hedge_intervals where metric = 'sharpe') as sharpe
    using (symbol, timeframe, strategy)
left join (from hedge_intervals where metric = 'utility') as utility
    using (symbol, timeframe, strategy)
where symbol = $symbol and timeframe = $timeframe
order by utility.estimate desc nulls last, strategy
""")

# %% [markdown]
# Hedges share their blocks, and so most of their luck: the difference of two is known better than
# either. Against the benchmark, a ratio of 1, in utility a year; an interval that holds 0 says that
# the difference may be chance.

# %%
sql("""
select
    strategy,
    100 * estimate as delta_utility_pct,
    100 * ci_low as low_pct,
    100 * ci_high as high_pct
from hedge_intervals
where
    symbol = $symbol
    and timeframe = $timeframe
    and metric = 'utility_vs_benchmark'
order by estimate desc nulls last, strategy
""")

# %% [markdown]
# Each of these intervals is for its figure alone. The verdict asks one question of all strategies:
# is any of them worth more than the benchmark? Its interval allows for having picked the best of
# as many. It cannot allow for what the sample never held: carry that stays high or low for months
# is longer than a block.

# %%
print(
    sql("""
select verdict from hedge_verdict where symbol = $symbol and timeframe = $timeframe
""")["verdict"].item()
)

# %%
sql("""
select
    benchmark,
    best_strategy,
    strategies_tried,
    blocks,
    100 * delta_utility as delta_utility_pct,
    100 * ci_low as low_pct,
    100 * ci_high as high_pct,
    is_replaced,
    10000 * mean_funding_rate as mean_funding_8h_bps,
    10000 * break_even_funding_rate as break_even_funding_8h_bps
from hedge_verdict
where symbol = $symbol and timeframe = $timeframe
""").T.set_axis(["verdict"], axis="columns")

# %% [markdown]
# With a mean funding of `break_even_funding_8h_bps`, the benchmark costs nothing against not
# hedging.
#
# One figure for the whole sample hides how steady it was:

# %%
draw("rolling_variance_reduction")

# %% [markdown]
# ## Cost against risk
#
# A hedge that trades less costs less, and lets its ratio drift. The closer to the lower left
# corner, the better:

# %%
draw("cost_risk_frontier")

# %% [markdown]
# The build has one fee. With another one the same orders cost more or less: `what_if` takes basis
# points a trade.

# %%
sql("""
select
    strategy,
    100 * variance_reduction as removed_pct,
    sharpe,
    100 * total_return as total_return_pct,
    100 * fees as fees_pct
from what_if(5)
where symbol = $symbol and timeframe = $timeframe
order by sharpe desc nulls last, strategy
""")

# %% [markdown]
# ## When it was worst
#
# The chosen strategy's worst bars, and what they were made of:

# %%
sql("""
select
    ts,
    hedge_ratio,
    10000 * r_spot as r_spot_bps,
    10000 * r_hedge as r_hedge_bps,
    10000 * r_funding as r_funding_bps,
    10000 * r_fees as r_fees_bps,
    10000 * r_net as r_net_bps
from returns_decomposed
where symbol = $symbol and timeframe = $timeframe and strategy = $strategy
order by r_net
limit 5
""")

# %% [markdown]
# Its deepest falls from a peak, compounded, and if they were made up:

# %%
sql("""
select 100 * drawdown as drawdown_pct, first_ts, lowest_ts, made_up_ts
from worst_drawdowns(n := 3)
where symbol = $symbol and timeframe = $timeframe and strategy = $strategy
order by drawdown
""")

# %% [markdown]
# The worst week of each strategy, the mean of its worst 5 % of bars, and the collateral that its
# short needed as spot rose:

# %%
sql("""
select
    strategy,
    100 * worst_week as worst_week_pct,
    worst_week_start,
    100 * expected_shortfall_95 as expected_shortfall_95_pct,
    -100 * perp_pnl_low as collateral_pct
from hedge_tails
inner join hedge_metrics using (symbol, timeframe, strategy)
inner join hedge_strategies using (strategy)
where symbol = $symbol and timeframe = $timeframe
order by hedge_strategies.rowid
""")

# %% [markdown]
# Does it hold when the market moves? Bars by the volatility that was known before each, in thirds:

# %%
sql("""
select
    strategy,
    regime,
    bars,
    100 * variance_reduction as removed_pct,
    sharpe,
    100 * expected_shortfall_95 as expected_shortfall_95_pct
from hedge_metrics_by_regime
where
    symbol = $symbol
    and timeframe = $timeframe
    and regime_kind = 'volatility'
    and strategy in ($strategy, 'unhedged', 'naive_hold')
order by strategy, list_position(['low', 'middle', 'high'], regime)
""")

# %% [markdown]
# ## The order for the next bar
#
# The last line of the order log is for the bar that has not happened yet: what a desk would do at
# the last close, `decision_ts`. Nothing is ever sent. If that time is long ago, so are the prices:
# the log's `data_age_hours` says how old they were when this was built.

# %%
sql("""
select
    decision_ts,
    strategy,
    price_spot,
    price_perp,
    hedge_ratio_before,
    hedge_ratio_target,
    order_side,
    hold_reason,
    order_notional_frac,
    order_qty as perp_coins_per_spot_coin,
    est_fee_frac,
    status,
    incident
from paper_rebalance_log
where symbol = $symbol and timeframe = $timeframe
order by seq desc
limit 1
""").T.set_axis(["next order"], axis="columns")

# %% [markdown]
# ## Ask further
#
# Questions that come up are macros of the file, and it lists them:

# %%
sql("select example, what from hedge_help() where kind = 'question'")

# %% [markdown]
# `from hedge_help()` lists the tables, too, and each column carries its own description:

# %%
sql("""
select column_name, rtrim(comment, chr(10)) as comment
from duckdb_columns()
where schema_name = 'main' and table_name = 'hedge_metrics'
order by column_index
""")

# %% [markdown]
# A strategy is a row of `data/seeds/hedge_strategies.csv`: add one, run `make hedge-mvp`, and run
# these cells again. How each figure comes about stands in `models/`, a file per table.
