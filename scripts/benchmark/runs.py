"""Run the project, or a peer, as a process of its own: what it took, and its figures."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from scripts import dbt_process
from scripts.benchmark.agreement import Panel
from scripts.benchmark.peers import HOURLY, Work
from scripts.benchmark.questions import Milliseconds
from scripts.benchmark.universe import LEGS, files_of
from scripts.database import rows
from scripts.measured import BARE_DBT, measured
from scripts.project import ROOT

# the project before it was rebuilt: what a whole run is measured against
BASELINE = "509b65b"
# stands for the clock where two runs must be equal
AS_OF = "2026-07-01 00:00:00"
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
if what == "same_answers":
    from scripts.benchmark import answers
    start = time.perf_counter()
    for name, table in answers.same_answers(files).items():
        table.to_parquet(Path(more) / f"{name}.parquet")
    found = {}
elif what == "pandas_sweep":
    with open(more, newline="") as file:
        found = {universe.symbol_of(0): peers.pandas_sweep(files[0], list(csv.DictReader(file)))}
else:
    found = getattr(peers, what)(files, peers.Work(*json.loads(more)))
print(json.dumps([time.perf_counter() - start, found]))
"""
# scripts.run with the arguments that are left; the last line it prints says when it was where
RUN = """
import json, sys, time
start = time.perf_counter()
marks = {"Python starts": 0.0}
def mark(stage):
    marks.setdefault(stage, time.perf_counter() - start)
from scripts import inputs, run
def marked(module, name, before, after):
    function = getattr(module, name, None)
    def called(*arguments, **named):
        mark(before)
        try:
            return function(*arguments, **named)
        finally:
            mark(after)
    if function:
        setattr(module, name, called)
STAGES = {
    "MainReportVersion": "dbt parses the project",
    "LogStartLine": "nodes run",
    "EndOfRunSummary": "dbt ends",
}
parse_event = getattr(run, "parse_event", None)
def parse_and_mark(line):
    event = parse_event(line)
    if stage := STAGES.get(event.get("name")):
        mark(stage)
    return event
if parse_event:
    run.parse_event = parse_and_mark
marked(inputs, "check", "the inputs are looked at", "dbt starts")
marked(run, "build", "dbt starts", "the run folder is written")
sys.argv[0] = "scripts.run"
code = run.main()
mark("end")
print(json.dumps(marks), flush=True)
sys.exit(code)
"""


class Cost(NamedTuple):
    """What a run took, in seconds and megabytes of its largest process.

    work is the part of wall that is neither import nor parsing; cpu is that of all processes.
    """

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
        name,
    )
    seconds, found = json.loads(output.splitlines()[-1])
    return Cost(wall, seconds, cpu, megabytes), found


def run_answers(
    folder: Path, symbols: int, workspace: Path
) -> tuple[Cost, dict[str, pd.DataFrame]]:
    """Run the peer that gives the same answers; return its cost and its tables."""
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    wall, cpu, megabytes, output = measured(
        [sys.executable, "-c", PEER, "same_answers", str(folder), str(symbols), str(workspace)],
        ROOT,
        "same_answers",
    )
    seconds, _ = json.loads(output.splitlines()[-1])
    tables = {path.stem: pd.read_parquet(path) for path in workspace.glob("*.parquet")}
    return Cost(wall, seconds, cpu, megabytes), tables


def copy_project(into: Path) -> Path:
    """Copy the project's files, as they are, to an empty folder: a run there finds nothing kept."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == ROOT / "data":
            return set(names) - {"seeds"}
        made = {"runs", "target", "logs"} if Path(folder) == ROOT else set()
        return {name for name in names if name in made | {"__pycache__"} or name[0] == "."}

    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(ROOT, into, ignore=left_out)
    # two runs are compared byte by byte
    settings = into / "dbt_project.yml"
    text = re.sub(r"(?m)^  as_of:.*$", f'  as_of: "{AS_OF}"', settings.read_text("utf-8"))
    settings.write_text(text, "utf-8")
    compileall.compile_dir(str(into / "scripts"), quiet=1)
    return into


def baseline_project(into: Path) -> Path | None:
    """Write the files of commit BASELINE to a folder; None where the history does not have it."""
    into.mkdir()
    archive = into.with_suffix(".tar")
    try:
        subprocess.run(
            ["git", "-C", str(ROOT), "archive", "-o", str(archive), BASELINE],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    shutil.unpack_archive(archive, into, filter="data")
    return into


def run_of_one(
    project: Path, files: dict[str, Path], out: Path, flags: tuple[str, ...] = ()
) -> tuple[Cost, dict[str, float]]:
    """Run one symbol in a copy of the project, from its files to a run folder.

    Returns its cost, workers included, and each stage's seconds.
    """
    given = [part for leg, path in files.items() for part in (f"--{leg}", str(path.absolute()))]
    wall, cpu, megabytes, output = measured(
        [sys.executable, "-c", RUN, *given, "--out", str(out), *flags], project, "scripts.run"
    )
    marks = sorted(json.loads(output.splitlines()[-1]).items(), key=lambda mark: mark[1])
    stages = {
        stage: following - begun
        for (stage, begun), (_, following) in zip(marks, marks[1:], strict=False)
    }
    # a process starts and ends, too
    stages["Python starts"] += wall - marks[-1][1]
    return Cost(wall, 0.0, cpu, megabytes), stages


def digests(out: Path) -> dict[str, str]:
    """Return the SHA-256 of a run's CSVs, metrics and order log, the newest run's, by name."""
    folder = out / "latest"
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ("*.csv", "metrics.json", "*.jsonl")
        for path in folder.glob(pattern)
    }


class Built(NamedTuple):
    """A build: its cost, its models' seconds by name, and the folder that it is in."""

    cost: Cost
    seconds: dict[str, float]
    workspace: Path

    @property
    def database(self) -> Path:
        """The file that was built."""
        return self.workspace / "data" / "hedge.duckdb"

    def figures(self, table: str = "hedge_metrics") -> Panel:
        """Return the figures of a table, by symbol and strategy."""
        return figures_of(self.database, table)


def figures_of(database: Path, table: str = "hedge_metrics") -> Panel:
    """Return the figures of a table of a database, by symbol and strategy."""
    found: Panel = {}
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
    command: list[str],
    dbt_vars: dict[str, Any],
    workspace: Path,
    memory_limit: str | None = None,
    project: Path = ROOT,
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
            str(project),
            "--profiles-dir",
            str(project),
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
        f"dbt {' '.join(command)}",
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


def exported(database: Path, symbol: str, out: Path) -> tuple[Cost, Path]:
    """Write the run folder of one symbol of a database; return its cost, and where it is."""
    shutil.rmtree(out, ignore_errors=True)
    wall, cpu, megabytes, _ = measured(
        [
            *(sys.executable, "-m", "scripts.export", "--symbol", symbol),
            *("--database", str(database), "--out", str(out)),
        ],
        ROOT,
    )
    return Cost(wall, 0.0, cpu, megabytes), (out / "latest").resolve()


def time_questions(database: Path, folder: Path, workspace: Path) -> dict[str, Milliseconds]:
    """Return the milliseconds of ad-hoc queries on a database, asked by a process of its own."""
    command = [sys.executable, "-m", "scripts.benchmark.questions", str(database), str(folder)]
    output = measured([*command, str(workspace)], ROOT).output
    found: dict[str, Milliseconds] = json.loads(output.splitlines()[-1])
    return found


def time_command(database: Path, query: str, repetitions: int) -> float:
    """Return the milliseconds of the duckdb command that answers a query and ends."""
    command = [str(Path(sys.executable).with_name("duckdb")), "-readonly", "-csv", str(database)]
    return 1000 * statistics.median(
        measured([*command, query], ROOT, "duckdb").wall for _ in range(repetitions)
    )


def seconds_in(folder: str, seconds: dict[str, float]) -> float:
    """Return the seconds of the models of a folder."""
    return sum(seconds.get(path.stem, 0.0) for path in (ROOT / folder).glob("**/*.sql"))


def machine() -> str:
    """Return the machine's cores and memory, and Python's version."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GB of memory, Python {version}"
