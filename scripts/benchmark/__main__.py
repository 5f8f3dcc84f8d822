"""Time this project and its peers on the same universe of symbols, and compare their figures.

usage: python -m scripts.benchmark [--parts P …] [--symbols N …] [--rounds R] [--folder DIR]
                                   [--page FILE]

Writes universes of symbols to DIR (kept, for the next time), and runs alternately, each in a
process of its own, this project and what a user would pick instead. Parts:
  panel   every N symbols at 1h: a bare dbt parse, a whole run of one symbol, dbt build of the
          models that hedge_metrics needs, of all models, and with all tests, pandas, polars, and
          up to 10 symbols statsmodels; beyond 100 symbols one round, of all models with all
          tests, and of pandas and polars
  native  the same figures of 10 and, in one round, 100 symbols at 5m, the slope's frame 30 days
  sweep   1,000 strategies on one symbol, and a loop in pandas
  memory  dbt build of 400 symbols, and of 20 symbols of three years of 1-minute bars, and a run
          folder from that, in 4 GB of memory
Figures that differ by more than 1e-9 end it. The medians go to stdout and to the places of FILE
that have their names, and the panel's growth to a plot beside FILE.
Exit 0: done. Exit 1: a build failed, or figures differ. Exit 2: bad usage.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from scripts.benchmark.peers import Work
from scripts.benchmark.runs import (
    Cost,
    compare,
    linked,
    machine,
    run_dbt,
    run_of_one,
    run_peer,
)
from scripts.benchmark.universe import BARS, files_of, symbol_of, write_universe
from scripts.command_line import OneLineParser, run_command, say
from scripts.files import private_folder
from scripts.measured import Measured, measured
from scripts.pages import filled, markdown_table, read_page
from scripts.project import ROOT
from scripts.results import write_sweep

NATIVE = Work(minutes=5, beta_window=8640)
MOST_SYMBOLS_OF_STATSMODELS = 10
MOST_SYMBOLS_OF_ROUNDS = 100
NATIVE_ROUNDS = {10: 5, 100: 1}
LIMIT, MANY_SYMBOLS = "4GB", 400
MINUTES_SYMBOLS, MINUTES_OF_THREE_YEARS = 20, 3 * 365 * 1440
PARSE, RUN_OF_ONE = "a bare `dbt parse`", "one symbol, a whole run"
MODELS, NEEDED, BUILD = "all models", "the models of these figures", "all models and their tests"
PANDAS, POLARS = "pandas, these figures", "polars, these figures"
STATSMODELS = "pandas with statsmodels' RollingOLS"
ONLY_MODELS = ("build", "--exclude-resource-type", "test")
BUILDS = {
    NEEDED: (*ONLY_MODELS, "--select", "+hedge_metrics"),
    MODELS: ONLY_MODELS,
    BUILD: ("build",),
}

Parts = dict[str, str]


def parse_arguments() -> argparse.Namespace:
    """Return the flags."""
    parser = OneLineParser(prog="scripts.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="P")
    parser.add_argument("--symbols", nargs="+", type=int, default=[10, 100, 400], metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="R")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "universe", metavar="DIR")
    parser.add_argument("--page", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if min(*arguments.symbols, arguments.rounds) < 1:
        parser.error("--symbols and --rounds are 1 or more")
    return arguments


def medians(costs: Iterable[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def panel(arguments: argparse.Namespace, workspace: Path) -> Parts:
    """Return the table of each size, how the work grows, and where the time goes."""
    parts: Parts = {}
    tables: list[str] = []
    sizes: dict[int, dict[str, Cost]] = {}
    stages: list[dict[str, float]] = []
    # what may not fit is found out first
    for symbols in sorted(arguments.symbols, reverse=True):
        is_large = symbols > MOST_SYMBOLS_OF_ROUNDS
        rounds = 1 if is_large else arguments.rounds
        write_universe(arguments.folder, symbols)
        given = linked(arguments.folder, symbols, workspace / "files")
        costs: dict[str, list[Cost]] = {}
        for _ in range(rounds):
            costs.setdefault(PARSE, []).append(run_dbt(["parse"], given, workspace / "build").cost)
            one, seconds = run_of_one(files_of(arguments.folder, 1)[0], workspace / "one")
            costs.setdefault(RUN_OF_ONE, []).append(one)
            stages.append(seconds)
            peers = {
                PANDAS: run_peer("pandas_panel", arguments.folder, symbols),
                POLARS: run_peer("polars_panel", arguments.folder, symbols),
            }
            if symbols <= MOST_SYMBOLS_OF_STATSMODELS:
                peers[STATSMODELS] = run_peer("statsmodels_panel", arguments.folder, symbols)
            for what, command in BUILDS.items():
                if is_large and what != BUILD:
                    continue
                built = run_dbt(list(command), given, workspace / "build")
                costs.setdefault(what, []).append(built.cost)
                for peer, (_, theirs) in peers.items():
                    compare(built.figures(), theirs, peer)
            for peer, (cost, _) in peers.items():
                costs.setdefault(peer, []).append(cost)
        found = {what: medians(several) for what, several in costs.items()}
        sizes = {symbols: found, **sizes}
        tables.insert(
            0,
            f"{symbols} symbols, "
            + (f"medians of {rounds} rounds" if rounds > 1 else "one round")
            + ":\n\n"
            + panel_table(found),
        )
        parts.setdefault("models", models_table(built.seconds, symbols))
    parts["panel"] = f"{machine()}\n\n" + "\n".join(tables)
    parts["stages"] = stages_table(stages, sizes)
    if len(sizes) > 1:
        parts["growth"] = growth_table(sizes)
        if arguments.page:
            draw_growth(sizes, arguments.page.with_suffix(".png"))
    return parts


def panel_table(found: dict[str, Cost]) -> str:
    """Return the costs of one size, and their ratios; what is not told is 0 and left empty."""
    parse, polars, pandas = found[PARSE], found[POLARS], found[PANDAS]

    def lines() -> Iterable[tuple[str, ...]]:
        for what, cost in found.items():
            figures = {
                ".2f": (cost.wall, cost.work),
                ".1f": (cost.cpu,),
                ".0f": (cost.megabytes,),
                # ratios
                ",.2f": (cost.wall / parse.wall,),
                ",.1f": (cost.wall / polars.wall, cost.work / polars.work, cost.work / pandas.work),
            }
            yield (
                what,
                *(
                    format(value, digits) if value else ""
                    for digits, values in figures.items()
                    for value in values
                ),
            )

    return markdown_table(
        (
            "",
            "wall, s",
            "work, s",
            "CPU, s",
            "MB",
            "wall, times `dbt parse`",
            "wall, times polars",
            "work, times polars",
            "work, times pandas",
        ),
        lines(),
    )


def stages_table(stages: list[dict[str, float]], sizes: dict[int, dict[str, Cost]]) -> str:
    """Return where the time of one symbol's run goes."""
    parse = statistics.median(found[PARSE].wall for found in sizes.values())
    means = {name: statistics.median(run[name] for run in stages) for name in stages[0]}
    return markdown_table(
        ("one symbol, a whole run", "s", "times `dbt parse`"),
        [
            (name, f"{seconds:.2f}", f"{seconds / parse:.2f}")
            for name, seconds in (means | {"in all": sum(means.values())}).items()
        ],
    )


def models_table(seconds: dict[str, float], symbols: int, most: int = 12) -> str:
    """Return the models that take the longest, side by side as dbt runs them."""
    total = sum(seconds.values())
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = [*ranked[:most], ("all others", sum(value for _, value in ranked[most:]))]
    return markdown_table(
        (f"model, {symbols} symbols", "s", "share"),
        [(name, f"{value:.1f}", f"{value / total:.0%}") for name, value in rows],
    )


def growth_table(sizes: dict[int, dict[str, Cost]]) -> str:
    """Return the work of each size a symbol, and of its steps that which grows it the most."""
    lines = []
    for what in (BUILD, PANDAS, POLARS):
        of_symbol = [found[what].work / symbols for symbols, found in sizes.items()]
        step = max(work / before for before, work in itertools.pairwise(of_symbol))
        lines.append((what, *(f"{work:.3f}" for work in of_symbol), f"{step:.2f}"))
    return markdown_table(
        (
            "work a symbol, s",
            *(f"{symbols} symbols" for symbols in sizes),
            "the steepest step, times linear",
        ),
        lines,
    )


def draw_growth(sizes: dict[int, dict[str, Cost]], path: Path) -> None:
    """Draw the work of each size."""
    import matplotlib.pyplot as plt

    from scripts.plots import COLOURS, SIZE

    figure, axes = plt.subplots(figsize=SIZE)
    for what, colour in zip((BUILD, PANDAS, POLARS), COLOURS[1:], strict=False):
        work = {symbols: found[what].work for symbols, found in sizes.items()}
        axes.plot(list(work), list(work.values()), marker="o", color=colour, label=what)
        least, most = min(work), max(work)
        axes.plot(
            [least, most],
            [work[least], work[least] * most / least],
            color=colour,
            linestyle="--",
            linewidth=1,
        )
    axes.set(xscale="log", yscale="log", xlabel="Symbols", ylabel="Work, seconds")
    axes.set_xticks(list(sizes), [str(symbols) for symbols in sizes])
    axes.minorticks_off()
    axes.set_title("How does the work grow with symbols? Dashed: in proportion to them")
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(path)
    plt.close(figure)


def native(arguments: argparse.Namespace, workspace: Path) -> Parts:
    """Return the tables of bars as they are in the files, with frames of thousands of rows."""
    tables = []
    for symbols, rounds in NATIVE_ROUNDS.items():
        write_universe(arguments.folder, symbols)
        given = linked(arguments.folder, symbols, workspace / "files") | {
            "timeframe": "5m",
            "beta_window": NATIVE.beta_window,
        }
        costs: dict[str, list[Cost]] = {}
        for _ in range(min(rounds, arguments.rounds)):
            built = run_dbt(list(BUILDS[NEEDED]), given, workspace / "build")
            costs.setdefault(NEEDED, []).append(built.cost)
            costs.setdefault("of which the slopes, `int_betas`", []).append(
                Cost(0.0, built.seconds["int_betas"], 0.0, 0.0)
            )
            for what, name in ((PANDAS, "pandas_panel"), (POLARS, "polars_panel")):
                cost, theirs = run_peer(name, arguments.folder, symbols, NATIVE)
                costs.setdefault(what, []).append(cost)
                compare(built.figures(), theirs, what)
        found = {what: medians(several) for what, several in costs.items()}
        tables.append(
            markdown_table(
                (f"{symbols} symbols at 5m", "work, s", "MB", "times polars", "times pandas"),
                [
                    (
                        what,
                        f"{cost.work:.1f}",
                        f"{cost.megabytes:.0f}" if cost.megabytes else "",
                        *(f"{cost.work / found[peer].work:.1f}" for peer in (POLARS, PANDAS)),
                    )
                    for what, cost in found.items()
                ],
            )
        )
    return {"native": "\n".join(tables)}


def sweep(arguments: argparse.Namespace, workspace: Path) -> Parts:
    """Return the table of a sweep."""
    write_universe(arguments.folder, 1)
    path = workspace / "sweep.csv"
    write_sweep(path)
    given = linked(arguments.folder, 1, workspace / "files")
    costs: dict[str, list[Cost]] = {}
    for _ in range(arguments.rounds):
        without = run_dbt(list(ONLY_MODELS), given, workspace / "build")
        swept = run_dbt(list(ONLY_MODELS), given | {"sweep": str(path)}, workspace / "build")
        cost, theirs = run_peer("pandas_sweep", arguments.folder, 1, sweep=path)
        compare(swept.figures("sweep_metrics"), theirs, "pandas")
        for what, several in {
            "a build with the sweep": swept.cost,
            "a build without": without.cost,
            "what the sweep adds": Cost(0.0, swept.cost.work - without.cost.work, 0.0, 0.0),
            "a loop in pandas": cost,
        }.items():
            costs.setdefault(what, []).append(several)
    found = {what: medians(several) for what, several in costs.items()}
    added = found["what the sweep adds"].work
    return {
        "sweep": markdown_table(
            ("1,000 strategies", "work, s", "MB", "times what the sweep adds"),
            [
                (
                    what,
                    f"{cost.work:.1f}",
                    f"{cost.megabytes:.0f}" if cost.megabytes else "",
                    f"{cost.work / added:.1f}",
                )
                for what, cost in found.items()
            ],
        )
    }


def memory(arguments: argparse.Namespace, workspace: Path) -> Parts:
    """Return the table of builds of many raw bars in little memory, and of a run folder."""
    write_universe(arguments.folder, MANY_SYMBOLS)
    given = linked(arguments.folder, MANY_SYMBOLS, workspace / "files")
    many = run_dbt(["build"], given, workspace / "build", LIMIT)
    folder = arguments.folder / "minutes"
    write_universe(folder, MINUTES_SYMBOLS, MINUTES_OF_THREE_YEARS, minutes=1)
    given = linked(folder, MINUTES_SYMBOLS, workspace / "files")
    built = run_dbt(["build"], given, workspace / "build", LIMIT)
    exported = measured(
        [
            sys.executable,
            "-m",
            "scripts.export",
            "--symbol",
            symbol_of(0),
            "--database",
            str(built.workspace / "data" / "hedge.duckdb"),
            "--out",
            str(workspace / "runs"),
        ],
        ROOT,
    )
    costs: dict[str, Cost | Measured] = {
        f"{MANY_SYMBOLS} symbols of {BARS:,} bars a leg, `dbt build`": many.cost,
        (
            f"{MINUTES_SYMBOLS} symbols of {MINUTES_OF_THREE_YEARS:,} bars a leg, `dbt build`"
        ): built.cost,
        "a run folder of one of these": exported,
    }
    return {
        "memory": markdown_table(
            (f"`HEDGE_MEMORY_LIMIT={LIMIT}`", "wall, s", "MB, the largest process"),
            [(what, f"{cost.wall:.0f}", f"{cost.megabytes:.0f}") for what, cost in costs.items()],
        )
    }


PARTS = {"panel": panel, "native": native, "sweep": sweep, "memory": memory}


def main() -> int:
    """Run the command line; return the exit code."""

    def work() -> Iterator[str]:
        arguments = parse_arguments()
        if arguments.page:
            read_page(arguments.page, arguments.parts)
        for name in arguments.parts:
            begun = time.perf_counter()
            with private_folder(ROOT / "data", ".benchmark-") as folder:
                parts = PARTS[name](arguments, folder)
            yield "\n".join(parts.values())
            say(f"{name}: {time.perf_counter() - begun:.0f} s")
            if arguments.page:
                # part by part: what is measured is kept if a later one fails
                text = filled(read_page(arguments.page, parts), parts)
                arguments.page.write_text(text, encoding="utf-8")

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
