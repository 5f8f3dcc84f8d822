"""Time this project and its peers on the same symbols, and compare their figures.

usage: python -m scripts.benchmark [--parts P …] [--symbols N …] [--sweeps N …] [--rounds R]
                                   [--folder DIR] [--page FILE]

Writes files of N symbols to DIR, where they stay for the next time, and runs this project and what
a user would pick instead in turn, each in a process of its own. Parts:
  panel      N symbols at 1h: dbt build of the models that hedge_metrics needs, of all models, and
             with all tests; pandas, polars, the same answers in pandas with arch, and up to 10
             symbols statsmodels. Beyond 100 symbols one round of the build with tests, pandas and
             polars
  faults     the build and the same answers on 10 symbols whose files have holes, copies and jumps
  native     the figures of hedge_metrics of up to 100 symbols at 5m, the slope's frame 30 days
  sweep      N strategies of a sweep on one symbol, and a loop in pandas
  memory     dbt build of the most symbols, and of 20 symbols of three years of 1-minute bars, with
             a limit of memory, and a run folder from that
  run        one symbol from its files to a run folder, and two later runs, beside a bare dbt parse
             of this project and of an earlier commit
  questions  ad-hoc queries on one symbol and on up to 100
The benchmark ends where figures differ. Tables and targets go to stdout and to the places of FILE
that have their names, figures of the targets to a JSON file beside it.
Exit 0: done. Exit 1: a process failed, or figures differ. Exit 2: bad usage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scripts.benchmark import questions as asked
from scripts.benchmark.agreement import compare, compare_tables
from scripts.benchmark.costs import (
    Costs,
    cost_table,
    draw_growth,
    growth_table,
    models_table,
    shortened,
    stages_table,
    steepest,
)
from scripts.benchmark.peers import Work
from scripts.benchmark.runs import (
    Cost,
    baseline_project,
    copy_project,
    digests,
    exported,
    linked,
    machine,
    run_answers,
    run_dbt,
    run_of_one,
    run_peer,
    seconds_in,
    time_command,
    time_questions,
)
from scripts.benchmark.targets import Figures, merged, read_figures, targets_table, write_figures
from scripts.benchmark.universe import BARS, files_of, symbol_of, write_sweep, write_universe
from scripts.command_line import OneLineParser, run_command, say
from scripts.files import private_folder
from scripts.pages import filled, markdown_table, read_page
from scripts.project import ROOT

NATIVE = Work(minutes=5, beta_window=8640)
STATSMODELS_SYMBOLS, ROUNDS_SYMBOLS, FAULTY_SYMBOLS = 10, 100, 10
NATIVE_ROUNDS = 3  # of many symbols
# DuckDB's own share: it leaves a gigabyte to Python, dbt and what DuckDB does not count
LIMIT = "2GB"
MINUTES_SYMBOLS, MINUTES_OF_THREE_YEARS = 20, 3 * 365 * 1440
# a load of other programs, in cores, beyond which one round may miss or reach a target by chance
BUSY = 0.5
# the symbols of the targets
MANY, MOST = 100, 400
MODELS, NEEDED, BUILD = "all models", "the models of these figures", "`dbt build` with tests"
PANDAS, POLARS = "pandas, these figures", "polars, these figures"
STATSMODELS = "pandas with statsmodels' RollingOLS, these figures"
ANSWERS = "pandas with arch, the same answers"
ONLY_MODELS = ("build", "--exclude-resource-type", "test")
BUILDS = {
    NEEDED: (*ONLY_MODELS, "--select", "+hedge_metrics"),
    MODELS: ONLY_MODELS,
    BUILD: ("build",),
}
COMPARISONS = (
    ("wall, times polars", POLARS, "wall"),
    ("work, times polars", POLARS, "work"),
    ("CPU, times polars", POLARS, "cpu"),
    ("CPU, times the same answers", ANSWERS, "cpu"),
)
BASE_PARSE, PARSE = "a bare `dbt parse` at commit 509b65b", "a bare `dbt parse`"
FIRST, AGAIN, OTHER = (
    "a whole run, nothing parsed before",
    "the same run again",
    "a run with other vars",
)


class Found(NamedTuple):
    """What a part found: its parts of the page, and figures of targets."""

    parts: dict[str, str]
    figures: Figures


def parse_arguments() -> argparse.Namespace:
    """Return the flags."""
    parser = OneLineParser(prog="scripts.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="P")
    parser.add_argument("--symbols", nargs="+", type=int, default=[10, 100, 400], metavar="N")
    parser.add_argument("--sweeps", nargs="+", type=int, default=[1000, 3000, 10000], metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="R")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "universe", metavar="DIR")
    parser.add_argument("--page", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if min(*arguments.symbols, arguments.rounds) < 1:
        parser.error("--symbols and --rounds are 1 or more")
    if any(strategies % 100 or strategies < 100 for strategies in arguments.sweeps):
        parser.error("--sweeps are multiples of 100")
    return arguments


def rounds_of(rounds: int) -> str:
    """Return how often something was measured."""
    return f"medians of {rounds} rounds" if rounds > 1 else "one round"


def panel(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the table of each size, how the work grows, and the slowest models."""
    parts: dict[str, str] = {}
    figures: Figures = {}
    tables: list[str] = []
    sizes: dict[int, dict[str, Cost]] = {}
    furthest = 0.0
    # what may not fit is found out first
    for symbols in sorted(arguments.symbols, reverse=True):
        is_large = symbols > ROUNDS_SYMBOLS
        rounds = 1 if is_large else arguments.rounds
        write_universe(arguments.folder, symbols)
        given = linked(arguments.folder, symbols, workspace / "files")
        costs = Costs()
        for _ in range(rounds):
            peers = {
                PANDAS: run_peer("pandas_panel", arguments.folder, symbols),
                POLARS: run_peer("polars_panel", arguments.folder, symbols),
            }
            if symbols <= STATSMODELS_SYMBOLS:
                peers[STATSMODELS] = run_peer("statsmodels_panel", arguments.folder, symbols)
            for what, command in BUILDS.items():
                if is_large and what != BUILD:
                    continue
                built = run_dbt(list(command), given, workspace / "build")
                costs.add(what, built.cost)
                for peer, (_, theirs) in peers.items():
                    compare(built.figures(), theirs, peer)
            for peer, (cost, _) in peers.items():
                costs.add(peer, cost)
            if not is_large:
                cost, tables_of_peer = run_answers(arguments.folder, symbols, workspace / "answers")
                costs.add(ANSWERS, cost)
                furthest = max(furthest, compare_tables(built.database, tables_of_peer, ANSWERS))
        sizes = {symbols: costs.medians(), **sizes}
        title = f"{symbols} symbols, {rounds_of(rounds)}:\n\n"
        tables.insert(0, title + cost_table(costs, COMPARISONS))
        parts.setdefault("models", models_table(built.seconds, symbols))
        if symbols == MANY:
            figures |= {
                "figures": costs.ratio(NEEDED, POLARS, "work"),
                "models": costs.ratio(MODELS, POLARS, "work"),
                "build": costs.ratio(BUILD, POLARS, "wall"),
                "answers": costs.ratio(ANSWERS, BUILD, "cpu"),
            }
        if symbols == MOST:
            figures |= {
                "build_400": costs.ratio(BUILD, POLARS, "wall"),
                "memory": sizes[symbols][BUILD].megabytes / 1000,
            }
    parts["panel"] = f"{machine()}\n\n" + "\n".join(tables)
    parts["agreement"] = (
        f"The largest difference between two standard errors was {furthest:.1%}.\n"
        if furthest
        else "No standard errors were compared.\n"
    )
    if len(sizes) > 1:
        parts["growth"] = growth_table(sizes, (BUILD, PANDAS, POLARS))
        if arguments.page:
            draw_growth(sizes, (BUILD, PANDAS, POLARS), arguments.page.with_suffix(".png"))
    return Found(parts, figures)


def faults(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the table of files with faults, whose ledgers are compared, too."""
    symbols = min(FAULTY_SYMBOLS, *arguments.symbols)
    folder = arguments.folder / "faulty"
    write_universe(folder, symbols, has_faults=True)
    given = linked(folder, symbols, workspace / "files")
    costs = Costs()
    built = run_dbt(list(BUILDS[BUILD]), given, workspace / "build")
    costs.add(BUILD, built.cost)
    cost, tables = run_answers(folder, symbols, workspace / "answers")
    costs.add(ANSWERS, cost)
    compare_tables(built.database, tables, ANSWERS)
    incidents = len(tables["data_incidents"])
    title = f"{symbols} symbols, {incidents} incidents in both ledgers, one round:\n\n"
    return Found({"faults": title + cost_table(costs, COMPARISONS)}, {})


def native(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the tables of bars as they are in the files, with frames of thousands of rows."""
    tables = []
    figures: Figures = {}
    for symbols in sorted(size for size in arguments.symbols if size <= ROUNDS_SYMBOLS):
        rounds = min(arguments.rounds, NATIVE_ROUNDS) if symbols > 10 else arguments.rounds
        write_universe(arguments.folder, symbols)
        given = linked(arguments.folder, symbols, workspace / "files") | {
            "timeframe": "5m",
            "beta_window": NATIVE.beta_window,
        }
        costs = Costs()
        for _ in range(rounds):
            built = run_dbt(list(BUILDS[NEEDED]), given, workspace / "build")
            costs.add(NEEDED, built.cost)
            estimates = seconds_in("models/estimates", built.seconds)
            costs.add("of which `models/estimates`", Cost(0.0, estimates, 0.0, 0.0))
            for what, name in ((PANDAS, "pandas_panel"), (POLARS, "polars_panel")):
                cost, theirs = run_peer(name, arguments.folder, symbols, NATIVE)
                costs.add(what, cost)
                compare(built.figures(), theirs, what)
        title = f"{symbols} symbols at 5m, {rounds_of(rounds)}:\n\n"
        tables.append(title + cost_table(costs, COMPARISONS))
        if symbols == MANY:
            figures["native"] = costs.ratio(NEEDED, POLARS, "work")
    return Found({"native": "\n".join(tables)}, figures)


def sweep(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the table of sweeps, and how they grow."""
    write_universe(arguments.folder, 1)
    path = workspace / "sweep.csv"
    given = linked(arguments.folder, 1, workspace / "files")
    added: dict[int, float] = {}
    held: dict[int, float] = {}
    loops: dict[int, float] = {}
    lines = []
    figures: Figures = {}
    for strategies in sorted(arguments.sweeps):
        rounds = arguments.rounds if strategies == min(arguments.sweeps) else 1
        write_sweep(path, strategies)
        costs = Costs()
        names = "a build with it", "a build without", "what it adds", "a loop in pandas"
        for _ in range(rounds):
            without = run_dbt(list(ONLY_MODELS), given, workspace / "build").cost
            swept = run_dbt(list(ONLY_MODELS), given | {"sweep": str(path)}, workspace / "build")
            cost, theirs = run_peer("pandas_sweep", arguments.folder, 1, sweep=path)
            compare(swept.figures("sweep_metrics"), theirs, "pandas_sweep")
            difference = Cost(
                *(more - less for more, less in zip(swept.cost, without, strict=True))
            )
            for name, several in zip(names, (swept.cost, without, difference, cost), strict=True):
                costs.add(name, several)
        found = costs.medians()
        added[strategies] = found["what it adds"].work
        held[strategies] = found["a build with it"].megabytes
        loops[strategies] = found["a loop in pandas"].work
        lines += [
            (
                f"{strategies:,} strategies, {name}",
                f"{found[name].work:.1f}",
                f"{found[name].cpu:.1f}",
                f"{found[name].megabytes:.0f}",
                f"{costs.ratio(name, 'a loop in pandas', 'work'):.2f}",
            )
            for name in names
        ]
        if strategies == 1000:
            figures["sweep"] = costs.ratio("a loop in pandas", "what it adds", "work")
        if strategies == 10000:
            figures["sweep_memory"] = found["a build with it"].megabytes / 1000
    heads = ("a sweep", "work, s", "CPU, s", "MB", "work, times the loop")
    parts = {"sweep": markdown_table(heads, lines)}
    if len(added) > 1:
        steps = {
            "work that a sweep adds": steepest(added),
            "memory of a build with it": steepest(held),
            "work of a loop in pandas": steepest(loops),
        }
        parts["sweep"] += "\n" + markdown_table(
            ("", "steepest step, times linear"),
            [(what, f"{step:.2f}") for what, step in steps.items()],
        )
        if {1000, 10000} <= added.keys():
            figures["sweep_growth"] = steepest(added)
    return Found(parts, figures)


def memory(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the table of builds of many raw bars in little memory, and of a run folder."""
    symbols = max(arguments.symbols)
    write_universe(arguments.folder, symbols)
    given = linked(arguments.folder, symbols, workspace / "files")
    many = run_dbt(["build"], given, workspace / "build", LIMIT).cost
    costs = {f"{symbols} symbols of {BARS:,} bars a leg, `dbt build`": many}
    folder, few = arguments.folder / "minutes", min(MINUTES_SYMBOLS, symbols)
    write_universe(folder, few, MINUTES_OF_THREE_YEARS, minutes=1)
    given = linked(folder, few, workspace / "files")
    built = run_dbt(["build"], given, workspace / "build", LIMIT)
    costs[f"{few} symbols of {MINUTES_OF_THREE_YEARS:,} bars a leg, `dbt build`"] = built.cost
    of_one, _ = exported(built.database, symbol_of(0), workspace / "runs")
    costs["a run folder of one of these"] = of_one
    table = markdown_table(
        (f"`HEDGE_MEMORY_LIMIT={LIMIT}`", "wall, s", "CPU, s", "MB, the largest process"),
        [
            (what, f"{cost.wall:.0f}", f"{cost.cpu:.0f}", f"{cost.megabytes:.0f}")
            for what, cost in costs.items()
        ],
    )
    figures = {"memory_limited": many.megabytes / 1000} if symbols == MOST else {}
    return Found({"memory": table}, figures)


def run(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the tables of one symbol's runs, and of where the time of the first goes."""
    write_universe(arguments.folder, 1)
    (files,) = files_of(arguments.folder, 1)
    given = {leg: str(path.absolute()) for leg, path in files.items()}
    base = baseline_project(workspace / "base")
    if not base:
        say("run: the git history has no commit 509b65b, so two targets are not measured")
    costs = Costs()
    stages = []
    written = []
    for turn in range(arguments.rounds):
        if base:
            costs.add(BASE_PARSE, run_dbt(["parse"], given, workspace / "parse", project=base).cost)
        costs.add(PARSE, run_dbt(["parse"], given, workspace / "parse").cost)
        project = copy_project(workspace / "project")
        out = workspace / "runs"
        shutil.rmtree(out, ignore_errors=True)
        cost, seconds = run_of_one(project, files, out)
        costs.add(FIRST, cost)
        stages.append(seconds)
        written.append(digests(out))
        costs.add(AGAIN, run_of_one(project, files, out)[0])
        written.append(digests(out))
        other = ("--fees_bps", str(2 + turn), "--beta_window", str(480 + turn))
        costs.add(OTHER, run_of_one(project, files, out, other)[0])
    differing = sorted(
        name for name in set().union(*written) if len({of.get(name) for of in written}) > 1
    )
    figures: Figures = {"same_bytes": len(differing)}
    if base:
        figures["run"] = costs.ratio(FIRST, BASE_PARSE, "wall")
        figures["run_again"] = costs.ratio(OTHER, BASE_PARSE, "wall")
    comparisons = [
        (f"{figure}, times {name}", name, figure.lower())
        for name in (BASE_PARSE, PARSE)
        for figure in ("wall", "CPU")
    ]
    return Found(
        {
            "run": f"{rounds_of(arguments.rounds).capitalize()}:\n\n"
            + cost_table(costs, comparisons),
            "stages": stages_table(stages),
            "bytes": (
                f"Files that differ between two runs: {', '.join(f'`{it}`' for it in differing)}.\n"
                if differing
                else "Every file is the same in all runs.\n"
            ),
        },
        figures,
    )


def questions(arguments: argparse.Namespace, workspace: Path) -> Found:
    """Return the tables of ad-hoc queries on one symbol and on many."""
    sizes = sorted({1, max([size for size in arguments.symbols if size <= ROUNDS_SYMBOLS] or [1])})
    found: dict[int, dict[str, asked.Milliseconds]] = {}
    for symbols in sizes:
        write_universe(arguments.folder, symbols)
        given = linked(arguments.folder, symbols, workspace / "files")
        built = run_dbt(list(BUILDS[BUILD]), given, workspace / "build")
        _, folder = exported(built.database, symbol_of(0), workspace / "runs")
        found[symbols] = time_questions(built.database, folder, workspace)
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        query = asked.MART
        for name in ("symbol", "timeframe", "selected_strategy"):
            query = query.replace("?", f"'{metrics[name]}'", 1)
        found[symbols]["command"] = {
            "query": time_command(built.database, query, arguments.rounds),
            "alone": time_command(built.database, "select 1", arguments.rounds),
        }
    mart = "`returns_decomposed` of one symbol and strategy"
    lines = [
        (f"{mart}, in Python", [of["mart"]["again"] for of in found.values()]),
        (
            "the same, the first query of a connection",
            [of["mart"]["first"] for of in found.values()],
        ),
        ("the same, in the `duckdb` command", [of["command"]["query"] for of in found.values()]),
        (
            "the `duckdb` command itself (`select 1`)",
            [of["command"]["alone"] for of in found.values()],
        ),
    ]
    for query in found[1]["readme"]:
        lines.append((shortened(query), [of["readme"][query] for of in found.values()]))
    for kind, says in (
        ("report", "the queries that make the report"),
        ("shown", "the queries that the report shows"),
    ):
        name, _ = slowest(found[1][kind])
        taken = [slowest(of[kind])[1] for of in found.values()]
        lines.append((f"{says}, the slowest of one symbol's: {shortened(name)}", [*taken]))
    table = markdown_table(
        (
            "milliseconds, medians",
            *("1 symbol" if symbols == 1 else f"{symbols} symbols" for symbols in sizes),
        ),
        [(what, *(milliseconds_cell(value) for value in values)) for what, values in lines],
    )
    kinds = ("readme", "report", "shown")
    figures: Figures = {"questions": max(slowest(found[1][kind])[1] for kind in kinds)}
    if MANY in found:
        figures["mart"] = float(found[MANY]["mart"]["again"])
    return Found({"questions": table}, figures)


def slowest(found: asked.Milliseconds) -> tuple[str, float]:
    """Return the slowest query that the database could answer, and its milliseconds."""
    answered = [(query, taken) for query, taken in found.items() if isinstance(taken, float)]
    return max(answered, key=lambda pair: pair[1], default=("", 0.0))


def milliseconds_cell(value: float | str) -> str:
    """Return the cell of a query: its milliseconds, or that it could not be answered."""
    return f"{value:.0f}" if isinstance(value, float) else "no answer"


PARTS = {
    "panel": panel,
    "faults": faults,
    "native": native,
    "sweep": sweep,
    "memory": memory,
    "run": run,
    "questions": questions,
}


def main() -> int:
    """Run the command line; return the exit code."""

    def work() -> Iterator[str]:
        arguments = parse_arguments()
        kept = arguments.page.with_suffix(".json") if arguments.page else None
        if arguments.page:
            read_page(arguments.page, [*arguments.parts, "targets"])
        figures = read_figures(kept) if kept else {}
        if (load := os.getloadavg()[0]) > BUSY:
            say(f"Other programs keep {load:.1f} cores busy: wall times and work are not reliable.")
        for name in arguments.parts:
            begun = time.perf_counter()
            with private_folder(ROOT / "data", ".benchmark-") as folder:
                found = PARTS[name](arguments, folder)
            yield "\n".join(found.parts.values())
            say(f"{name}: {time.perf_counter() - begun:.0f} s")
            figures = merged(figures, found.figures, name)
            if arguments.page and kept:
                # part by part: what is measured is kept if a later one fails
                parts = found.parts | {"targets": targets_table(figures)}
                text = filled(read_page(arguments.page, parts), parts)
                arguments.page.write_text(text, encoding="utf-8")
                write_figures(kept, figures)
        yield targets_table(figures)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
