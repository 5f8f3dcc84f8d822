"""Run the project, or a peer, as a process of its own: what it took, and its figures."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from scripts import dbt_process
from scripts.benchmark.peers import HOURLY, Figures, Work
from scripts.benchmark.universe import LEGS, files_of
from scripts.database import rows
from scripts.measured import BARE_DBT, measured
from scripts.project import ROOT, BuildError

Panel = dict[str, dict[str, Figures]]
TOLERANCE = 1e-9
# a peer's process: its work alone is timed, its imports are not
PEER = """
import csv, json, sys, time
from pathlib import Path
from scripts.benchmark import peers, universe
what, folder, symbols, more = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if "polars" in what:
    import polars
files = universe.files_of(folder, symbols)
start = time.perf_counter()
if what == "pandas_sweep":
    with open(more, newline="") as file:
        found = {universe.symbol_of(0): peers.pandas_sweep(files[0], list(csv.DictReader(file)))}
else:
    found = getattr(peers, what)(files, peers.Work(*json.loads(more)))
print(json.dumps([time.perf_counter() - start, found]))
"""
# what scripts.run does with one symbol, but for the user's database; prints when it was where
RUN = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
from scripts import inputs, run
from scripts.export import publish, workers, written
marks = {"Python starts": 0.0, "the inputs are looked at": time.perf_counter() - start}
parse_event = run.parse_event
def parse_and_mark(line):
    event = parse_event(line)
    stage = {
        "MainReportVersion": "dbt parses the project", "LogStartLine": "nodes run",
        "EndOfRunSummary": "dbt ends",
    }.get(event.get("name"))
    if stage:
        marks.setdefault(stage, time.perf_counter() - start)
    return event
run.parse_event = parse_and_mark
workspace, given = Path(sys.argv[1]), json.loads(sys.argv[2])
given = inputs.check(given)
marks["dbt starts"] = time.perf_counter() - start
with workers() as pool:
    database = run.build(given, workspace, kept=workspace / "none")
    marks["the run folder is written"] = time.perf_counter() - start
    with written(database, pool, workspace / "runs") as samples:
        publish(samples)
marks["end"] = time.perf_counter() - start
print(json.dumps(marks))
"""


class Cost(NamedTuple):
    """What a run took; work is the part of wall that is neither import nor parsing."""

    wall: float
    work: float
    cpu: float
    megabytes: float


def run_peer(
    name: str, folder: Path, symbols: int, work: Work = HOURLY, sweep: Path | None = None
) -> tuple[Cost, Panel]:
    """Run a function of peers.py on a universe's first symbols; return its cost and figures."""
    wall, cpu, megabytes, output = measured(
        [
            sys.executable,
            "-c",
            PEER,
            name,
            str(folder),
            str(symbols),
            str(sweep) if sweep else json.dumps(work),
        ],
        ROOT,
    )
    seconds, found = json.loads(output.splitlines()[-1])
    return Cost(wall, seconds, cpu, megabytes), found


def run_of_one(files: dict[str, Path], workspace: Path) -> tuple[Cost, dict[str, float]]:
    """Run one symbol from its files to a run folder; return its cost, and each stage's seconds."""
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    given = json.dumps({leg: str(path.absolute()) for leg, path in files.items()})
    wall, _, megabytes, output = measured([sys.executable, "-c", RUN, str(workspace), given], ROOT)
    marks = sorted(json.loads(output.splitlines()[-1]).items(), key=lambda mark: mark[1])
    stages = {
        stage: following - begun
        for (stage, begun), (_, following) in zip(marks, marks[1:], strict=False)
    }
    # a process starts and ends, too
    stages["Python starts"] += wall - marks[-1][1]
    # no CPU: that of processes that are not its own children is not told
    return Cost(wall, 0.0, 0.0, megabytes), stages


class Built(NamedTuple):
    """A build: its cost, its models' seconds by name, and the folder that it is in."""

    cost: Cost
    seconds: dict[str, float]
    workspace: Path

    def figures(self, table: str = "hedge_metrics") -> Panel:
        """Return the figures of a table, by symbol and strategy."""
        found: Panel = {}
        database = self.workspace / "data" / "hedge.duckdb"
        with duckdb.connect(str(database), read_only=True) as connection:
            for row in rows(connection, f"from {table}"):
                symbol, _, strategy = (row.pop(key) for key in ("symbol", "timeframe", "strategy"))
                found.setdefault(symbol, {})[strategy] = row
        return found


def linked(folder: Path, symbols: int, into: Path) -> dict[str, str]:
    """Return patterns of a universe's first symbols, by leg."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    for files in files_of(folder, symbols):
        for path in files.values():
            (into / path.name).symlink_to(path.absolute())
    return {leg: str(into / f"{leg}_*.parquet") for leg in LEGS}


def run_dbt(
    command: list[str], dbt_vars: dict[str, Any], workspace: Path, memory_limit: str | None = None
) -> Built:
    """Run dbt in an empty folder; return what it took.

    Work is the time in which nodes run, as dbt reports it.
    """
    shutil.rmtree(workspace, ignore_errors=True)
    (workspace / "data").mkdir(parents=True)
    limit = [f"HEDGE_MEMORY_LIMIT={memory_limit}"] if memory_limit else []
    wall, cpu, megabytes, _ = measured(
        [
            "env",
            *limit,
            *(
                [sys.executable, "-c", BARE_DBT, *command]
                if command == ["parse"]
                else dbt_process.command(command)
            ),
            "--no-partial-parse",
            "--project-dir",
            str(ROOT),
            "--profiles-dir",
            str(ROOT),
            "--target-path",
            str(workspace / "target"),
            "--log-path",
            str(workspace / "target"),
            "--vars",
            json.dumps(dbt_vars),
            "--no-send-anonymous-usage-stats",
            "--no-version-check",
        ],
        workspace,
    )
    if command == ["parse"]:
        return Built(Cost(wall, 0.0, cpu, megabytes), {}, workspace)
    results = json.loads((workspace / "target" / "run_results.json").read_text())
    seconds = {
        result["unique_id"].split(".")[-1]: result["execution_time"]
        for result in results["results"]
        if result["unique_id"].startswith("model.")
    }
    return Built(Cost(wall, results["elapsed_time"], cpu, megabytes), seconds, workspace)


def compare(ours: Panel, theirs: Panel, peer: str) -> None:
    """Raise BuildError where a figure of a peer is not ours."""
    for symbol, strategies in theirs.items():
        for strategy, figures in strategies.items():
            for name, value in figures.items():
                found = ours[symbol][strategy][name]
                if not abs(found - value) <= TOLERANCE * max(1.0, abs(value)):
                    raise BuildError(
                        f"{peer}: {name} of {strategy} on {symbol} is {value!r}, and {found!r} here"
                    )


def machine() -> str:
    """Return the machine's cores and memory, and Python's version."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GB of memory, Python {version}"
