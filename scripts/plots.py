"""Draw the plots of a run folder from the marts of a built database.

usage: python -m scripts.plots [--database FILE] [--out DIR]

Each plot answers the question in its title. A strategy has the same colour everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import matplotlib

matplotlib.use("agg")  # before pyplot: no screen is needed

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

from scripts.command_line import OneLineParser, folder_path, run_command  # noqa: E402
from scripts.database import one_row, open_build, plots_of, samples_in  # noqa: E402
from scripts.project import DATABASE, folder_name  # noqa: E402

# Okabe and Ito's palette, told apart with any colour vision
# (strategies that run together lie on each other: the earlier ones are drawn wider)
COLOURS = ("#444444", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#F0E442")
SIZE = (10.0, 6.0)
# parts of a sum, in colours that no strategy has
TOTAL, ADDED, TAKEN = "#000000", "#8C6BB1", "#BDBDBD"
PART_COLOURS = ("#4477AA", "#228833", "#CC3311", "#BBBBBB")
WIDEST_LINE, NARROWEST_LINE = 3.6, 1.2
REMOVED = FuncFormatter(lambda left, _: f"{100 * (1 - left):.8g} %")
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.6g} %")

plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 13,
        "figure.constrained_layout.use": True,
        "font.size": 12,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "savefig.dpi": 110,
    }
)


def draw(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str, name: str, folder: Path
) -> Path:
    """Draw a plot of one symbol and timeframe into a folder; return its path."""
    figure = globals()[name](connection, symbol, timeframe)
    path = folder / f"{name}.png"
    figure.savefig(path)
    plt.close(figure)
    return path


def cumlogret(connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str) -> Figure:
    """Draw the growth of every strategy, and below it the hedged ones enlarged."""
    paths = query(
        connection,
        "select strategy, ts, cum_log_return from returns_decomposed"
        " where symbol = ? and timeframe = ? order by strategy, ts",
        symbol,
        timeframe,
    )
    figure, (top, bottom) = plt.subplots(2, 1, figsize=SIZE, sharex=True)
    unhedged = unhedged_strategies(connection)
    for strategy, style in styles(connection).items():
        path = paths[paths["strategy"] == strategy]
        top.plot(path["ts"], path["cum_log_return"], label=strategy, **style)
        if strategy not in unhedged:
            bottom.plot(path["ts"], path["cum_log_return"], **style)
    ends = query(
        connection,
        "select strategy, is_selected, total_return from hedge_metrics"
        " join int_strategies using (timeframe, strategy) where symbol = ? and timeframe = ?"
        " and (is_selected or estimator = 'none') order by is_selected",
        symbol,
        timeframe,
    )
    answer = "; ".join(f"{end.strategy} {end.total_return:+.1%}" for end in ends.itertuples())
    top.set_title(titled(f"How did each grow, compounded? {answer}", connection, symbol, timeframe))
    bottom.set_title("The hedged strategies alone", fontsize=12)
    for axes in (top, bottom):
        axes.set_ylabel("Cumulative log return")
    figure.legend(loc="outside lower center", ncols=5)
    return figure


def rolling_vol(connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str) -> Figure:
    """Draw annualised volatility over 7 days, on a log scale: the hedge differs a hundredfold."""
    paths = query(
        connection,
        "select strategy, ts, volatility from plot_rolling_volatility"
        " where symbol = ? and timeframe = ? and volatility > 0 order by strategy, ts",
        symbol,
        timeframe,
    )
    figure, axes = plt.subplots(figsize=SIZE)
    for strategy, style in styles(connection).items():
        path = paths[paths["strategy"] == strategy]
        if not path.empty:
            axes.plot(path["ts"], path["volatility"], label=strategy, **style)
    if paths.empty:
        say(axes, "Fewer than 7 days of evaluated bars")
    else:
        figure.legend(loc="outside lower center", ncols=5)
    if not paths.empty and paths["volatility"].max() > 10 * paths["volatility"].min():
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("Annualised volatility, last 7 days")
    selected = query(
        connection,
        "select strategy, variance_reduction from hedge_metrics"
        " join int_strategies using (timeframe, strategy)"
        " where symbol = ? and timeframe = ? and is_selected and variance_reduction is not null",
        symbol,
        timeframe,
    )
    answer = "How much risk is left?"
    if not selected.empty:
        answer += (
            f" {1 - selected['variance_reduction'].item():.3%} of the variance"
            f" with {selected['strategy'].item()}"
        )
    axes.set_title(titled(answer, connection, symbol, timeframe))
    return figure


def rolling_variance_reduction(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> Figure:
    """Draw the variance removed over 30 days, on a log scale of what is left, least on top."""
    paths = query(
        connection,
        "select strategy, ts, 1 - variance_reduction as variance_left"
        " from plot_rolling_variance_reduction join int_strategies using (timeframe, strategy)"
        " where symbol = ? and timeframe = ? and estimator <> 'none' and variance_reduction < 1"
        " order by strategy, ts",
        symbol,
        timeframe,
    )
    figure, axes = plt.subplots(figsize=SIZE)
    for strategy, style in styles(connection).items():
        path = paths[paths["strategy"] == strategy]
        if not path.empty:
            axes.plot(path["ts"], path["variance_left"], label=strategy, **style)
    answer = "How steady is the hedge?"
    if paths.empty:
        say(axes, "No hedge with 30 days of evaluated bars")
        axes.yaxis.set_major_formatter(NullFormatter())
    else:
        axes.set_yscale("log")
        axes.invert_yaxis()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(REMOVED)
        axes.yaxis.set_minor_formatter(NullFormatter())
        figure.legend(loc="outside lower center", ncols=5)
    selected = query(
        connection,
        "select strategy, min(variance_reduction) as lowest"
        " from plot_rolling_variance_reduction join int_strategies using (timeframe, strategy)"
        " where symbol = ? and timeframe = ? and is_selected group by strategy"
        " having min(variance_reduction) is not null",
        symbol,
        timeframe,
    )
    if not selected.empty:
        answer += (
            f" In its worst 30 days, {selected['strategy'].item()}"
            f" removed {selected['lowest'].item():.3%}"
        )
    axes.set_ylabel("Variance removed, last 30 days")
    axes.set_title(titled(answer, connection, symbol, timeframe))
    return figure


def beta_vs_funding(connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str) -> Figure:
    """Draw the selected strategy's hedge ratio over the funding that it receives."""
    series = query(
        connection,
        "select ts, strategy, hedge_ratio,"
        " sum(r_funding) over (order by ts rows unbounded preceding) as received,"
        " funding_rate * periods_per_year as annualised"
        " from returns_decomposed"
        " join int_strategies using (timeframe, strategy)"
        " join prices_merged using (symbol, timeframe, ts)"
        " join int_samples using (symbol, timeframe)"
        " where symbol = ? and timeframe = ? and is_selected order by ts",
        symbol,
        timeframe,
    )
    figure, (top, bottom) = plt.subplots(2, 1, figsize=SIZE, sharex=True)
    strategy = series["strategy"].iloc[0]
    colour = styles(connection)[strategy]["color"]
    top.plot(series["ts"], series["hedge_ratio"], color=colour, lw=1.2)
    top.set_ylabel("Hedge ratio\n(perp per spot notional)")
    top.ticklabel_format(axis="y", useOffset=False)
    bottom.plot(
        series["ts"],
        series["annualised"],
        color="#999999",
        lw=0.8,
        label="Funding rate, annualised (left)",
    )
    bottom.axhline(0, color="black", lw=0.8)
    bottom.set_ylabel("Funding rate, annualised")
    bottom.yaxis.set_major_formatter(PERCENT)
    received = bottom.twinx()
    received.grid(visible=False)
    received.spines["right"].set_visible(True)
    received.axhline(0, color=colour, lw=0.8, ls=":")
    received.plot(
        series["ts"],
        series["received"],
        color=colour,
        lw=1.6,
        label="Received so far, of the spot notional (right)",
    )
    received.set_ylabel("Received so far")
    received.yaxis.set_major_formatter(PERCENT)
    question = (
        f"What does funding pay {strategy}? {series['received'].iloc[-1]:+.2%} of the spot notional"
    )
    top.set_title(titled(question, connection, symbol, timeframe))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def variance_components(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> Figure:
    """Draw the selected strategy's variance as bars that start where the last one ended."""
    if is_proxy(connection):
        figure, axes = plt.subplots(figsize=SIZE)
        say(axes, "Not measured: there is no perp")
        question = "What is the hedged variance made of?"
        axes.set_title(titled(question, connection, symbol, timeframe))
        return figure
    strategy, price, rest = variance_bars(connection, symbol, timeframe)
    figure, (top, bottom) = plt.subplots(2, 1, figsize=SIZE, height_ratios=[4, 9])
    draw_bars(top, price)
    draw_bars(bottom, rest)
    question = f"What is the hedged variance made of ({strategy})?"
    top.set_title(titled(question, connection, symbol, timeframe))
    bottom.set_title("What is left, enlarged", fontsize=12)
    bottom.set_xlabel("Share of the unhedged variance")
    return figure


def effectiveness_by_timeframe(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> Figure:
    """Draw the variance removed at each bar size of a symbol, and the moves that explain it.

    The same in the folder of every timeframe.
    """
    removed = query(
        connection,
        "select strategy, timeframe, 1 - estimate as remaining,"
        " coalesce(ci_high - estimate, 0) as less, coalesce(estimate - ci_low, 0) as more"
        " from hedge_intervals join int_strategies using (timeframe, strategy)"
        " join int_samples using (symbol, timeframe)"
        " where symbol = ? and metric = 'variance_reduction' and estimate is not null"
        " and (is_selected or strategy = 'naive') order by periods_per_year desc",
        symbol,
    )
    moves = query(
        connection,
        "select timeframe, spot_bps, difference_bps from leg_comovement"
        " join int_samples using (symbol, timeframe) where symbol = ?"
        " order by periods_per_year desc",
        symbol,
    )
    figure, (top, bottom) = plt.subplots(2, 1, figsize=SIZE, sharex=True, height_ratios=[3, 2])
    question = "At which bar size does the hedge work?"
    top.set_title(titled(question, connection, symbol, "by timeframe"))
    if removed.empty or moves.empty:
        say(top, "Not measured: there is no perp")
        return figure
    places = {name: place for place, name in enumerate(moves["timeframe"])}
    colours = styles(connection)
    for offset, (strategy, rows) in zip((-0.06, 0.06), removed.groupby("strategy"), strict=False):
        top.errorbar(
            [places[name] + offset for name in rows["timeframe"]],
            rows["remaining"],
            yerr=[rows["less"], rows["more"]],
            label=f"{strategy} (95 % interval)",
            color=colours[str(strategy)]["color"],
            marker="o",
            capsize=3,
            linewidth=NARROWEST_LINE,
        )
    top.set_yscale("log")
    top.invert_yaxis()
    top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    top.yaxis.set_major_formatter(REMOVED)
    top.yaxis.set_minor_formatter(NullFormatter())
    top.set_ylabel("Variance removed")
    top.legend(loc="lower right")
    bottom.plot(list(places.values()), moves["spot_bps"], marker="o", color=TOTAL, label="spot")
    bottom.plot(
        list(places.values()),
        moves["difference_bps"],
        marker="o",
        color=ADDED,
        label="spot less perp",
    )
    bottom.set_yscale("log")
    bottom.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bottom.set_ylabel("Typical move\nof a bar, bp")
    bottom.set_xticks(list(places.values()), list(places))
    bottom.legend(loc="center right")
    return figure


def cost_risk_frontier(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> Figure:
    """Draw the risk that each hedge leaves against what it costs: those of the sweep, if any.

    A line joins the bands of a window, the widest band at its cheap end.
    """
    points = query(
        connection,
        "select points.*, is_selected, is_benchmark from plot_cost_risk as points"
        " left join int_strategies using (timeframe, strategy)"
        " where symbol = ? and timeframe = ? and cost_bps_per_year > 0"
        " and is_sweep = (select bool_or(is_sweep) from plot_cost_risk)"
        " order by beta_window, rebalance_band",
        symbol,
        timeframe,
    )
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(10.0, 7.5))
    bottom.set_xlabel("Cost, bp of the spot notional a year")
    figure.supylabel("Risk left, bp per √day", fontsize=12)
    bottom.set_title("Those that volatility does not scale, enlarged", fontsize=12)
    answer = "What does less risk cost?"
    if points.empty:
        top.set_title(titled(answer, connection, symbol, timeframe))
        say(top, "No hedge with a cost and a perp")
        return figure
    place = ["cost_bps_per_year", "risk_bps_per_root_day"]
    of_panel = points["is_selected"].notna()
    scaled = points[points["uses_volatility"] & ~of_panel]
    if not scaled.empty:
        top.scatter(*scaled[place].T.to_numpy(), s=6, color=TAKEN, label="scaled by volatility")
    windows = points[~points["uses_volatility"] & ~of_panel].groupby(["estimator", "beta_window"])
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(windows)))
    for shade, ((estimator, rows), line) in zip(shades, windows, strict=True):
        for axes in (top, bottom):
            axes.plot(
                *line[place].T.to_numpy(),
                color=shade,
                marker=".",
                linewidth=NARROWEST_LINE,
                label=f"{estimator}, {rows} rows",
            )
    panel = points[of_panel].set_index("strategy")
    sizes = np.linspace(160, 40, len(panel))
    for size, (strategy, style) in zip(
        sizes, (item for item in styles(connection).items() if item[0] in panel.index), strict=True
    ):
        row = panel.loc[strategy]
        for axes in (top, bottom)[: 1 if row["uses_volatility"] else 2]:
            axes.scatter(
                *row[place],
                label=strategy,
                zorder=3,
                color=style["color"],
                edgecolors="white",
                marker="*" if row["is_selected"] else "o",
                s=250 if row["is_selected"] else size,
            )
        if row["is_selected"]:
            answer += (
                f" {strategy} leaves {row[place[1]]:.1f} bp per √day for {row[place[0]]:.1f} bp"
                " a year"
            )
    top.set_title(titled(answer, connection, symbol, timeframe))
    top.set_xscale("log")
    top.set_yscale("log")
    for axis in (top.xaxis, top.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


class Bar(NamedTuple):
    """A part of a sum: it starts where the one before ended."""

    label: str
    length: float
    left: float
    colour: str


def variance_bars(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> tuple[str, list[Bar], list[Bar]]:
    """Return the selected strategy, the parts of its price risk, and what they leave with the rest.

    Lengths are shares of the unhedged variance.
    """
    components = query(
        connection,
        "select strategy, components.component, components.variance / spot.variance as share"
        " from variance_components as components"
        " join int_strategies using (timeframe, strategy)"
        " join (from variance_components where component = 'r_spot') as spot"
        " using (symbol, timeframe, strategy)"
        " where symbol = ? and timeframe = ? and is_selected",
        symbol,
        timeframe,
    )
    shares = components.set_index("component")["share"].fillna(0)
    # variances first, then what they share
    shares = shares[sorted(shares.index, key=lambda name: name.startswith("2cov"))]
    price = [name for name in shares.index if not {"funding", "fees"} & set(name.split("_"))]
    other = [name for name in shares.index if name not in price]
    of_prices = stack(shares[price], first=None, total="price risk left")
    rest = stack(
        shares[other], first=("price risk left", of_prices[-1].length), total="hedged variance"
    )
    return components["strategy"].iloc[0], of_prices, rest


def stack(lengths: pd.Series, first: tuple[str, float] | None, total: str) -> list[Bar]:
    """Return bars that each begin where the one before ended, then their sum.

    first is a bar, label and length, that the others are added to.
    """
    bars = [Bar(*first, 0.0, TOTAL)] if first else []
    level = first[1] if first else 0.0
    for name, length in lengths.items():
        label = str(name).replace("2cov_", "2 cov(").replace("_r_", ", r_")
        colour = ADDED if length > 0 else TAKEN
        bars.append(Bar(f"{label})" if "(" in label else label, length, level, colour))
        level += length
    return [*bars, Bar(total, level, 0.0, TOTAL)]


def draw_bars(axes: Axes, bars: list[Bar]) -> None:
    """Draw bars from the top down, each with its length in words."""
    labels, lengths, lefts, colours = zip(*bars, strict=True)
    axes.barh(labels, lengths, left=lefts, color=colours, height=0.7)
    ends = [max(left, left + length) for left, length in zip(lefts, lengths, strict=True)]
    for row, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        axes.annotate(
            share_text(length),
            (end, row),
            xytext=(4, 0),
            va="center",
            textcoords="offset points",
            fontsize=10,
        )
    axes.set_xlim(right=1.12 * max(*ends, 1e-12))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color="black", lw=0.8)
    axes.xaxis.set_major_formatter(PERCENT)


def say(axes: Axes, text: str) -> None:
    """Write why there is nothing to draw, where it would be."""
    axes.text(0.5, 0.5, text, ha="center", fontsize=20, transform=axes.transAxes)


def share_text(share: float) -> str:
    """Return a share in percent, with more decimals where it is small."""
    if abs(share) < 5e-8:
        return "0"
    return f"{share:.1%}" if abs(share) >= 0.1 else f"{share:.5%}"


def titled(
    question: str, connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> str:
    """Return a plot's title: symbol, timeframe and question, and a warning without a perp."""
    warning = "\nNo perp was given: spot stands in for it, and risk is not measured"
    return f"{symbol} {timeframe}. {question}{warning if is_proxy(connection) else ''}"


def is_proxy(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether spot stands in for the perp in this database."""
    return bool(one_row(connection.execute("select is_perp_proxy from int_build"))[0])


def styles(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Return each strategy's colour and line width, in the seed's order."""
    names = connection.execute("select strategy from hedge_strategies order by rowid").fetchall()
    widths = np.linspace(WIDEST_LINE, NARROWEST_LINE, max(len(names) - 1, 1))
    return {
        name: {
            "color": COLOURS[place % len(COLOURS)],
            # the first, unhedged by custom, runs alone
            "linewidth": widths[place - 1] if place else NARROWEST_LINE,
        }
        for place, (name,) in enumerate(names)
    }


def unhedged_strategies(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the strategies that hold no perp by definition."""
    names = connection.execute("select strategy from int_strategies where estimator = 'none'")
    return {name for (name,) in names.fetchall()}


def query(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: str) -> pd.DataFrame:
    """Return the rows of a query as a frame."""
    return connection.execute(sql, list(parameters)).fetchdf()


def plots(argv: list[str]) -> Iterator[Path]:
    """Draw the plots of every symbol and timeframe of a database; yield their paths."""
    parser = OneLineParser(
        prog="scripts.plots", description="Draw the plots of every sample of a built database."
    )
    parser.add_argument("--database", type=Path, default=DATABASE, metavar="FILE")
    parser.add_argument("--out", type=folder_path, default=Path("plots"), metavar="DIR")
    arguments = parser.parse_args(argv)
    with open_build(arguments.database) as connection:
        for symbol, timeframe in samples_in(connection):
            folder = arguments.out / f"{folder_name(symbol)}_{timeframe}"
            folder.mkdir(parents=True, exist_ok=True)
            for name in plots_of(connection, symbol):
                yield draw(connection, symbol, timeframe, name, folder)


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: plots(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
