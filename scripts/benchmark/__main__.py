"""Time this project and its peers on the same universe of symbols, and compare their figures.

usage: python -m scripts.benchmark [--symbols N] [--rounds R] [--folder DIR] [--page FILE]

Writes N symbols of 5-minute bars to DIR (kept, for the next time), and runs alternately, each in
a process of its own: a bare dbt parse, a whole run of one symbol, dbt build of all models with and
without their tests, pandas, polars, and up to 10 symbols statsmodels. All read the same files and
score the default panel at 1h; figures that differ by more than 1e-9 end it. The medians go to
stdout, and between <!-- benchmark --> and <!-- end --> of FILE.
Exit 0: done. Exit 1: a build failed, or figures differ. Exit 2: bad usage.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from scripts.benchmark.peers import Figures
from scripts.benchmark.universe import LEGS, files_of, write_universe
from scripts.command_line import OneLineParser
from scripts.database import rows
from scripts.measured import BARE_DBT, measured
from scripts.pages import filled, markdown_table, read_page
from scripts.project import ROOT
from scripts.run import QUICK_DBT, BuildError, exit_code

TOLERANCE = 1e-9
# a peer's process: its work alone is timed, its imports are not
PEER = """
import json, sys, time
from pathlib import Path
from scripts.benchmark import peers, universe
if "polars" in sys.argv[1]:
    import polars
files = universe.files_of(Path(sys.argv[2]), int(sys.argv[3]))
start = time.perf_counter()
found = getattr(peers, sys.argv[1])(files)
print(json.dumps([time.perf_counter() - start, found]))
"""
# what scripts.run does with one symbol, but for the user's database
RUN = """
import json, sys
from pathlib import Path
from scripts import inputs
from scripts.export import export, workers
from scripts.run import build
workspace, given = Path(sys.argv[1]), json.loads(sys.argv[2])
given = inputs.check(given)
with workers() as pool:
    export(build(given, workspace, parsed=workspace / "none"), pool, workspace / "runs")
"""
MOST_SYMBOLS_OF_STATSMODELS = 10
PARSE, RUN_OF_ONE = "a bare `dbt parse`", "one symbol, a whole run"
MODELS, BUILD = "all models", "all models and their tests"
POLARS = "polars, the panel's figures alone"


class Cost(NamedTuple):
    """What a run took; work is the part of wall that is neither import nor parsing."""

    wall: float
    work: float
    cpu: float
    megabytes: float


def parse_arguments() -> argparse.Namespace:
    """Return the flags."""
    parser = OneLineParser(prog="scripts.benchmark", description=__doc__.split("\n")[0])
    parser.add_argument("--symbols", type=int, default=10, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="R")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "universe", metavar="DIR")
    parser.add_argument("--page", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if min(arguments.symbols, arguments.rounds) < 1:
        parser.error("--symbols and --rounds are 1 or more")
    return arguments


def run_peer(name: str, folder: Path, symbols: int) -> tuple[Cost, dict[str, dict[str, Figures]]]:
    """Run a peer; return what it took, and its figures."""
    wall, cpu, megabytes, output = measured(
        [sys.executable, "-c", PEER, f"{name}_panel", str(folder), str(symbols)], ROOT
    )
    work, found = json.loads(output.splitlines()[-1])
    return Cost(wall, work, cpu, megabytes), found


def run_of_one(files: dict[str, Path], workspace: Path) -> tuple[Cost, dict]:
    """Run one symbol from its files to a run folder; return what it took, and no figures."""
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    given = json.dumps({leg: str(path.absolute()) for leg, path in files.items()})
    wall, cpu, megabytes, _ = measured([sys.executable, "-c", RUN, str(workspace), given], ROOT)
    return Cost(wall, 0.0, cpu, megabytes), {}


def run_dbt(
    command: list[str], files: dict[str, str], workspace: Path
) -> tuple[Cost, dict[str, dict[str, Figures]]]:
    """Run dbt in an empty folder; return what it took, and the figures of hedge_metrics.

    Work is the time in which nodes run, as dbt reports it.
    """
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / "data").mkdir(parents=True)
    wall, cpu, megabytes, _ = measured(
        [
            sys.executable, "-c", BARE_DBT if command == ["parse"] else QUICK_DBT, *command,
            "--no-partial-parse",
            "--project-dir", str(ROOT), "--profiles-dir", str(ROOT),
            "--target-path", str(workspace / "target"), "--log-path", str(workspace / "target"),
            "--vars", json.dumps(files), "--no-send-anonymous-usage-stats", "--no-version-check",
        ],
        workspace,
    )
    if command == ["parse"]:
        return Cost(wall, 0.0, cpu, megabytes), {}
    work = json.loads((workspace / "target" / "run_results.json").read_text())["elapsed_time"]
    with duckdb.connect(str(workspace / "data" / "hedge.duckdb"), read_only=True) as connection:
        found: dict[str, dict[str, Figures]] = {}
        for row in rows(connection, "from hedge_metrics"):
            symbol, _, strategy = (row.pop(key) for key in ("symbol", "timeframe", "strategy"))
            found.setdefault(symbol, {})[strategy] = row
    return Cost(wall, work, cpu, megabytes), found


def compare(
    ours: dict[str, dict[str, Figures]], theirs: dict[str, dict[str, Figures]], peer: str
) -> None:
    """Raise BuildError where a figure of a peer is not ours."""
    for symbol, strategies in theirs.items():
        for strategy, figures in strategies.items():
            for name, value in figures.items():
                found = ours[symbol][strategy][name]
                if not abs(found - value) <= TOLERANCE * max(1.0, abs(value)):
                    raise BuildError(
                        f"{peer}: {name} of {strategy} on {symbol} is {value!r}, and {found!r} here"
                    )


def benchmark(arguments: argparse.Namespace) -> str:
    """Run every round; return the table of medians.

    Raises BuildError where a build fails or figures differ.
    """
    write_universe(arguments.folder, arguments.symbols)
    peer = functools.partial(run_peer, folder=arguments.folder, symbols=arguments.symbols)
    costs: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as name:
        workspace, chosen = Path(name) / "build", Path(name) / "files"
        chosen.mkdir()
        for files in files_of(arguments.folder, arguments.symbols):
            for path in files.values():
                (chosen / path.name).symlink_to(path.absolute())
        given: dict[str, Any] = {leg: str(chosen / f"{leg}_*.parquet") for leg in LEGS}
        for _ in range(arguments.rounds):
            runs = {
                PARSE: run_dbt(["parse"], given, workspace),
                RUN_OF_ONE: run_of_one(files_of(arguments.folder, 1)[0], workspace),
                MODELS: run_dbt(["build", "--exclude-resource-type", "test"], given, workspace),
                BUILD: run_dbt(["build"], given, workspace),
                "pandas, the panel's figures alone": peer("pandas"),
                POLARS: peer("polars"),
            }
            if arguments.symbols <= MOST_SYMBOLS_OF_STATSMODELS:
                runs["pandas with statsmodels' RollingOLS"] = peer("statsmodels")
            for what, (cost, found) in runs.items():
                costs.setdefault(what, []).append(cost)
                compare(runs[BUILD][1], found, what)
    medians = {
        what: Cost(*(statistics.median(values) for values in zip(*rounds, strict=True)))
        for what, rounds in costs.items()
    }
    parse, polars = medians[PARSE], medians[POLARS]
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return markdown_table(
        (f"{arguments.symbols} symbols, {os.cpu_count()} cores, {gigabytes:.0f} GB,"
         f" Python {platform.python_version()}",
         "wall, s", "work, s", "CPU, s", "MB", "wall, times `dbt parse`", "wall, times polars",
         "work, times polars"),
        [
            (
                what, f"{cost.wall:.2f}", f"{cost.work:.2f}" if cost.work else "",
                f"{cost.cpu:.1f}", f"{cost.megabytes:.0f}", f"{cost.wall / parse.wall:.2f}",
                f"{cost.wall / polars.wall:.1f}",
                f"{cost.work / polars.work:.1f}" if cost.work else "",
            )
            for what, cost in medians.items()
        ],
    )


def main() -> int:
    """Run, and turn what went wrong into an exit code and a message."""
    arguments = parse_arguments()

    def work() -> None:
        text = read_page(arguments.page, ["benchmark"]) if arguments.page else None
        table = benchmark(arguments)
        print(table, end="")
        if text:
            arguments.page.write_text(filled(text, {"benchmark": table}), encoding="utf-8")

    return exit_code(work, "the benchmark could not be written ({}): make room on the disk.")


if __name__ == "__main__":
    sys.exit(main())
