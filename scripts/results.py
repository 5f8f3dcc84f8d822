"""Compute every figure and plot of README.md and docs/results.md again, on real files.

usage: python -m scripts.results --spot F --perp F --funding F [--folder DIR]

Builds the hedge of one symbol at 1h with a sweep of 1,000 strategies, at six timeframes, and
with longer bootstrap blocks, times the whole command against a bare dbt parse, and fills in the
pages' parts between <!-- name --> and <!-- end -->. DIR holds the pages (default: the project).
Exit 0: done. Exit 1: a test failed. Exit 2: bad input or usage; nothing is written.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts import inputs, manifest, plots
from scripts.command_line import OneLineParser, run_command
from scripts.database import connect, open_build, samples_in
from scripts.measured import BARE_DBT, Measured, measured
from scripts.pages import filled, markdown_table, read_page
from scripts.project import ROOT, InputError
from scripts.run import build, build_workspace

PAGES = ("README.md", "docs/results.md")
TIMEFRAMES = "5m 15m 1h 4h 8h 1d"
LONG_BLOCK_DAYS = 30
TIMED_ROUNDS = 3
# a sweep's rows: 1,000 strategies
WINDOWS = ("5d", "7d", "10d", "14d", "20d", "30d", "40d", "50d", "60d", "90d")
BANDS = (0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05)
VOL_TARGETS = (None, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5)


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags."""
    parser = OneLineParser(
        prog="scripts.results",
        description="Compute the figures of the README and docs again.",
    )
    for leg in inputs.LEGS:
        parser.add_argument(f"--{leg}", metavar="F", help=f"{leg} parquet: a file or a glob")
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT,
        metavar="DIR",
        help="where the pages are (default: the project)",
    )
    arguments = parser.parse_args(argv)
    if missing := [leg for leg in inputs.LEGS if not getattr(arguments, leg)]:
        raise InputError(f"--{missing[0]} is missing: give spot, perp and funding of one symbol.")
    return arguments


def write_sweep(path: Path) -> None:
    """Write a sweep's strategies: windows by bands by volatility targets."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "strategy",
                "estimator",
                "is_vol_scaled",
                "beta_window",
                "vol_target",
                "rebalance_band",
            ]
        )
        for window, band, target in itertools.product(WINDOWS, BANDS, VOL_TARGETS):
            name = f"w{window}_b{band}" + (f"_v{target}" if target else "")
            writer.writerow([name, "rolling", bool(target), window, target, band])


def built(given: dict[str, Any], database: Path) -> tuple[Path, dict[str, float]]:
    """Build a database; return it, and the seconds that each model took, by its name."""
    with build_workspace() as workspace:
        shutil.move(build(inputs.check(given), workspace), database)
        results = json.loads((workspace / "target" / "run_results.json").read_text())["results"]
    return database, {
        result["unique_id"].split(".")[-1]: result["execution_time"]
        for result in results
        if result["unique_id"].startswith("model.")
    }


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on a database."""
    with connect(database, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def percent(value: float | None, decimals: int = 2, sign: str = "") -> str:
    """Return a fraction in percent; nothing where it is not known."""
    return "" if value is None else f"{100 * value:{sign}.{decimals}f} %"


def span(low: float | None, high: float | None, form: str, unit: str = "") -> str:
    """Return an interval; nothing where it is not known."""
    return "" if low is None else f"{low:{form}} to {high:{form}}{unit}"


def panel_parts(database: Path) -> dict[str, str]:
    """Return the parts about one timeframe: sample, strategies, verdict, intervals, regimes."""
    ((symbol, timeframe, bars, start, end, warmup),) = query(
        database,
        "select symbol, timeframe, evaluated_bars, start_ts, end_ts, warmup_bars from int_samples",
    )
    strategies = query(
        database,
        "select strategy, variance_reduction, sharpe, max_drawdown, pnl_frac, turnover, funding"
        " from hedge_metrics join hedge_strategies using (strategy)"
        " order by hedge_strategies.rowid",
    )
    ((verdict,),) = query(database, "select verdict from hedge_verdict")
    intervals = query(
        database,
        "pivot (from hedge_intervals) on metric in ('variance_reduction', 'sharpe',"
        " 'sharpe_vs_naive') using first(ci_low) as low, first(ci_high) as high"
        " group by strategy",
    )
    regimes = query(
        database,
        "select strategy, regime, bars, variance_reduction, sharpe, expected_shortfall_95"
        " from hedge_metrics_by_regime join hedge_strategies using (strategy)"
        " where regime_kind = 'volatility' and strategy in"
        "   ('unhedged', 'naive_hold', 'rolling_ols', 'vol_scaled')"
        " order by hedge_strategies.rowid, list_position(['low', 'middle', 'high'], regime)",
    )
    order = [row[0] for row in strategies if row[0] != "unhedged"]
    intervals.sort(key=lambda row: order.index(row[0]) if row[0] in order else -1)
    return {
        "sample": (
            f"{symbol} at {timeframe}, {bars:,} bars from {start:%Y-%m-%d %H:%M} to"
            f" {end:%Y-%m-%d %H:%M}, after {warmup} bars of warm-up:\n"
        ),
        "strategies": markdown_table(
            (
                "strategy",
                "variance removed",
                "Sharpe",
                "drawdown",
                "money result",
                "turnover",
                "funding",
            ),
            [
                (
                    name,
                    percent(removed, 3),
                    f"{sharpe:.2f}",
                    percent(drawdown),
                    percent(money, 2, "+"),
                    f"{turnover:.2f}",
                    percent(funding, 2, "+"),
                )
                for name, removed, sharpe, drawdown, money, turnover, funding in strategies
            ],
        ),
        "verdict": f"> {verdict}\n",
        "intervals": markdown_table(
            ("strategy", "variance removed", "Sharpe", "Sharpe against naive"),
            [
                (
                    name,
                    span(100 * removed_low, 100 * removed_high, ".3f", " %"),
                    span(sharpe_low, sharpe_high, ".2f"),
                    span(versus_low, versus_high, "+.2f"),
                )
                for (
                    name,
                    removed_low,
                    removed_high,
                    sharpe_low,
                    sharpe_high,
                    versus_low,
                    versus_high,
                ) in intervals
                if name in order
            ],
        ),
        "regimes": markdown_table(
            (
                "strategy",
                "volatility",
                "bars",
                "variance removed",
                "Sharpe",
                "mean of the worst 5 % of bars",
            ),
            [
                (
                    name,
                    regime,
                    f"{bars:,}",
                    percent(removed, 3),
                    f"{sharpe:.2f}",
                    percent(shortfall, 3),
                )
                for name, regime, bars, removed, sharpe, shortfall in regimes
            ],
        ),
    }


def long_blocks_part(database: Path) -> dict[str, str]:
    """Return the sentence about blocks that hold more of the carry's own memory."""
    ((low, high),) = query(
        database,
        "select ci_low, ci_high from hedge_intervals where strategy = 'naive'"
        " and metric = 'sharpe'",
    )
    return {
        "long_blocks": (
            f"With blocks of {LONG_BLOCK_DAYS} days the Sharpe ratio of `naive` is"
            f" {span(low, high, '.2f')}.\n"
        )
    }


def timeframe_parts(database: Path) -> dict[str, str]:
    """Return the table of bar sizes."""
    rows = query(
        database,
        "select timeframe, metrics.bars, variance_reduction_price, ci_low, ci_high, spot_bps,"
        " difference_bps, correlation_spot_earlier, correlation_perp_earlier,"
        " difference_autocorrelation"
        " from leg_comovement join hedge_metrics as metrics using (symbol, timeframe)"
        " join int_samples using (symbol, timeframe)"
        " join hedge_intervals as intervals using (symbol, timeframe, strategy)"
        " where strategy = 'naive' and metric = 'variance_reduction'"
        " order by periods_per_year desc",
    )
    verdicts = query(
        database,
        "select verdict from hedge_verdict join int_samples using (symbol, timeframe)"
        " order by periods_per_year desc",
    )
    return {
        "timeframes": markdown_table(
            (
                "bar",
                "bars",
                "variance removed, prices alone",
                "net, 95 % interval",
                "spot a bar",
                "difference a bar",
                "spot a bar earlier",
                "perp a bar earlier",
                "difference with itself",
            ),
            [
                (
                    name,
                    f"{bars:,}",
                    percent(removed, 3),
                    span(100 * low, 100 * high, ".3f", " %"),
                    f"{spot:.1f} bp",
                    f"{difference:.2f} bp",
                    f"{spot_earlier:+.3f}",
                    f"{perp_earlier:+.3f}",
                    f"{itself:+.2f}",
                )
                for (
                    name,
                    bars,
                    removed,
                    low,
                    high,
                    spot,
                    difference,
                    spot_earlier,
                    perp_earlier,
                    itself,
                ) in rows
            ],
        ),
        "timeframe_verdicts": "".join(f"> {verdict}\n>\n" for (verdict,) in verdicts),
    }


def sweep_parts(database: Path, seconds: float) -> dict[str, str]:
    """Return the parts about the sweep."""
    ((strategies, better),) = query(
        database,
        "select count(*), count(*) filter (delta_utility > 0) from sweep_metrics",
    )
    best = query(
        database,
        "select strategy, variance_reduction, sharpe, turnover_per_year, delta_utility"
        " from sweep_metrics where delta_utility is not null"
        " order by delta_utility desc limit 5",
    )
    ((verdict,),) = query(database, "select verdict from hedge_verdict")
    return {
        "sweep": (
            f"{strategies:,} strategies in {seconds:.1f} s of SQL; {better:,} of them scored more"
            " than the benchmark in this sample, the five best:\n\n"
            + markdown_table(
                ("strategy", "variance removed", "Sharpe", "turnover a year", "ΔU a year"),
                [
                    (
                        name,
                        percent(removed, 3),
                        f"{sharpe:.2f}",
                        f"{turnover:.1f}",
                        percent(delta, 2, "+"),
                    )
                    for name, removed, sharpe, turnover, delta in best
                ],
            )
            + f"\nWith all of them tried:\n\n> {verdict}\n"
        )
    }


def speed_part(given: dict[str, Any]) -> dict[str, str]:
    """Time a whole run against a bare dbt parse, alternating; return the table."""
    rounds: dict[str, list[Measured]] = {"parse": [], "first": [], "again": [], "other": []}
    with tempfile.TemporaryDirectory() as folder:
        parse = [
            sys.executable,
            "-c",
            BARE_DBT,
            "parse",
            "--no-partial-parse",
            "--quiet",
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT),
            "--target-path",
            f"{folder}/target",
            "--log-path",
            f"{folder}/target",
        ]
        run = [
            sys.executable,
            "-m",
            "scripts.run",
            "--out",
            f"{folder}/runs",
            *(item for leg in inputs.LEGS for item in (f"--{leg}", given[leg])),
        ]
        for _ in range(TIMED_ROUNDS):
            rounds["parse"].append(measured(parse, Path(folder)))
            shutil.rmtree(manifest.KEPT, ignore_errors=True)
            rounds["first"].append(measured(run, ROOT))
            rounds["again"].append(measured(run, ROOT))
            rounds["other"].append(measured([*run, "--fees_bps", "2"], ROOT))
    medians = {
        name: (
            statistics.median(cost.wall for cost in costs),
            statistics.median(cost.megabytes for cost in costs),
        )
        for name, costs in rounds.items()
    }
    return {
        "speed": markdown_table(
            (
                f"{os.cpu_count()} cores, Python {platform.python_version()}",
                "seconds",
                "times `dbt parse`",
                "MB",
            ),
            [
                (
                    what,
                    f"{medians[name][0]:.1f}",
                    f"{medians[name][0] / medians['parse'][0]:.2f}",
                    f"{medians[name][1]:.0f}",
                )
                for name, what in (
                    ("parse", "a bare `dbt parse`"),
                    ("first", "a run, nothing parsed before"),
                    ("again", "the same run again"),
                    ("other", "a run of the same files with other vars"),
                )
            ],
        )
    }


def results(argv: list[str]) -> list[Path]:
    """Do what the command line asks for; return the files written.

    Raises InputError for bad input or usage, BuildError where a test failed.
    """
    arguments = parse_arguments(argv)
    pages = {arguments.folder / name: read_page(arguments.folder / name) for name in PAGES}
    given = {
        leg: inputs.file_pattern(leg, getattr(arguments, leg), Path.cwd()) for leg in inputs.LEGS
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = folder / "sweep.csv"
        write_sweep(sweep)
        parts: dict[str, str] = {}
        drawn: list[Path] = []
        panel, _ = built(given, folder / "panel.duckdb")
        parts |= panel_parts(panel)
        drawn += draw(panel, ("cumlogret", "rolling_variance_reduction"), folder)
        swept, seconds = built(given | {"sweep": str(sweep)}, folder / "sweep.duckdb")
        parts |= sweep_parts(swept, sum(time for name, time in seconds.items() if "sweep" in name))
        drawn += draw(swept, ("cost_risk_frontier",), folder)
        several, _ = built(given | {"timeframe": TIMEFRAMES}, folder / "timeframes.duckdb")
        parts |= timeframe_parts(several)
        drawn += draw(several, ("effectiveness_by_timeframe",), folder)
        long_blocks, _ = built(
            given | {"bootstrap_block_days": LONG_BLOCK_DAYS}, folder / "long_blocks.duckdb"
        )
        parts |= long_blocks_part(long_blocks)
        parts |= speed_part(given)
        for page, text in pages.items():
            page.write_text(filled(text, parts), encoding="utf-8")
        (arguments.folder / "docs").mkdir(exist_ok=True)
        written = [Path(shutil.copy(path, arguments.folder / "docs" / path.name)) for path in drawn]
    return [*pages, *written]


def draw(database: Path, names: Sequence[str], folder: Path) -> list[Path]:
    """Draw plots of a database's 1h sample into a folder; return their paths."""
    paths = []
    with open_build(database) as connection:
        for symbol, timeframe in samples_in(connection):
            if timeframe == "1h":
                paths += [plots.draw(connection, symbol, timeframe, name, folder) for name in names]
    return paths


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: results(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
