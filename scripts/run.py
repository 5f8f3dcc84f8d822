"""Build the hedge from parquet files and write a run folder, in one go.

usage: python -m scripts.run --spot F --perp F --funding F [--timeframe 1h] [--out DIR] …

Prints the path of each run folder, and nothing else, to stdout; the rest goes to stderr.
Exit 0: done. Exit 1: a test failed, no run folder. Exit 2: bad input or usage, no run folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from scripts import dbt_process, inputs, manifest
from scripts.command_line import (
    OneLineParser,
    folder_path,
    number,
    one_line,
    run_command,
    say,
    tells_of_memory,
    writable_folder,
)
from scripts.database import check_is_replaceable, connect, replace_database
from scripts.export import publish, workers, written
from scripts.files import private_folder
from scripts.project import (
    DATABASE,
    ROOT,
    BuildError,
    InputError,
    check_name,
    default_vars,
)
from scripts.summary import summary

WORKSPACE_PREFIX = ".building-"
# dbt's flags for a log that parse_event reads, and for asking nothing of a network
LOG_IN_JSON = (
    "--log-format",
    "json",
    "--log-level-file",
    "none",
    "--no-use-colors",
    "--no-send-anonymous-usage-stats",
    "--no-version-check",
)
FINISHED = {
    "LogModelResult",
    "LogSeedResult",
    "LogTestResult",
    "LogNodeResult",
    "LogNodeNoOpResult",
    "SkippingDetails",
}


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags; those that name a var are None where they were not given."""
    defaults = default_vars()
    parser = OneLineParser(
        prog="scripts.run",
        description="Build the spot-perp hedge from parquet files and write a run folder.",
        epilog="Without --spot, --perp and --funding it takes what lies in data/raw.",
    )
    for leg in inputs.LEGS:
        parser.add_argument(f"--{leg}", metavar="F", help=f"{leg} parquet: a file or a glob")
    parser.add_argument(
        "--symbol",
        nargs="+",
        metavar="S",
        help="narrow to these symbols, or name the one of files that name none",
    )
    of_vars: list[tuple[str, Callable[[str], object], str]] = [
        ("fees_bps", number, "cost of a trade, basis points of its notional"),
        ("slippage_bps", number, "loss of a trade beyond its fee, basis points"),
        ("strategy", str, "strategy of the order log: a row of hedge_strategies.csv"),
        ("beta_window", window, "rows of the slope's frame, or a duration such as 30d"),
        ("vol_window", window, "rows of the realized volatility's frame, or a duration"),
        ("vol_target", number, "annualised volatility above which vol_scaled hedges less"),
    ]
    for name, kind, what in of_vars:
        flags = dict.fromkeys([f"--{name}", f"--{name.replace('_', '-')}"])
        parser.add_argument(*flags, type=kind, help=f"{what} (default {defaults[name]})")
    parser.add_argument(
        "--timeframe",
        nargs="+",
        metavar="T",
        help="bar size, such as 5m, 1h, 4h or 1d; several are evaluated on one common span"
        f" (default {defaults['timeframe']})",
    )
    parser.add_argument(
        "--sweep",
        metavar="FILE.csv",
        help="further strategies, columns as in hedge_strategies.csv, scored in sweep_metrics",
    )
    parser.add_argument(
        "--as_of",
        "--as-of",
        metavar="TIME",
        help="measure the age of data at this time in UTC, such as 2026-02-19T15:00:00Z, instead of"
        " now: the same files then give the same results",
    )
    parser.add_argument(
        "--out", type=folder_path, metavar="DIR", help="default: runs/<SYMBOL>/hedge_mvp"
    )
    return parser.parse_args(argv)


def window(text: str) -> int | float | str:
    """Return a window of a flag: a number of rows, or a duration as it is written."""
    return text if re.fullmatch(r"\d+[dh]", text, re.ASCII) else number(text)


def vars_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the dbt vars that were given, and the files with absolute paths."""
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    given.pop("out", None)
    for name in ("symbol", "timeframe"):
        if name in given:
            given[name] = ",".join(given[name])
    if "symbol" in given:
        for symbol in given["symbol"].split(","):
            check_name("--symbol", symbol.strip())
    base = ROOT
    if given.keys() & set(inputs.LEGS):
        base = Path.cwd()
        for leg in ("spot", "funding"):
            if not given.get(leg):
                raise InputError(f"--{leg} is missing: give spot and funding (and perp) files.")
        given.setdefault("perp", "")
    for leg in inputs.LEGS:
        if path := (default_vars() | given)[leg]:
            given[leg] = inputs.file_pattern(leg, path, base)
    if given.get("sweep"):
        given["sweep"] = inputs.literal_pattern(inputs.file_path("sweep", given["sweep"]))
    return given


def build(dbt_vars: dict[str, Any], workspace: Path, kept: Path = manifest.KEPT) -> Path:
    """Run `dbt build` in an empty folder; return the database that it leaves there.

    kept is the folder where what dbt parsed is kept for the next time.

    dbt runs as a process of its own, so that it neither prints to our stdout nor keeps the
    database open.

    Raises BuildError, naming the tests that failed and the rows that they found.
    """
    database = workspace / "data" / DATABASE.name
    database.parent.mkdir()
    target = workspace / "target"
    target.mkdir()
    place, digest = manifest.place(dbt_vars, kept), manifest.key(dbt_vars)
    returncode, messages = run_dbt(dbt_vars, workspace, place, digest)
    if returncode == dbt_process.IN_DOUBT:
        # a kept manifest may be why: dbt parses anew, and what it says then is so
        for folder in (database.parent, target):
            shutil.rmtree(folder)
            folder.mkdir()
        returncode, messages = run_dbt(dbt_vars, workspace)
    if database.with_name(f"{database.name}.wal").exists():
        # what was not written into the file when dbt ended is, when it is closed again
        connect(database).close()
    if returncode < 0 or (returncode and tells_of_memory("\n".join(messages))):
        # the system kills what takes too much
        raise MemoryError
    if returncode:
        results = target / "run_results.json"
        if unwritten := re.search(
            r"(Could not write|No space left|File too large).*", "\n".join(messages)
        ):
            raise OSError(unwritten.group())
        raise BuildError(
            describe_failures(results, database)
            if results.exists() and database.exists()
            else "dbt build failed: " + one_line(" ".join(messages))
        )
    made = target / "partial_parse.msgpack"
    if made.exists() and manifest.key(dbt_vars) == digest:
        manifest.keep(target / dbt_process.TEMPLATES, place.with_suffix(".templates"), digest)
        manifest.keep(made, place, digest)
    return database


def run_dbt(
    dbt_vars: dict[str, Any], workspace: Path, kept: Path | None = None, digest: str = ""
) -> tuple[int, list[str]]:
    """Run `dbt build` as a process; return its exit code, and the errors that it logged."""
    target = str(workspace / "target")
    arguments = [
        "build",
        "--project-dir",
        str(ROOT),
        "--profiles-dir",
        str(ROOT),
        "--target-path",
        target,
        "--log-path",
        target,
        "--vars",
        vars_text(dbt_vars),
        *LOG_IN_JSON,
    ]
    messages = []
    with (
        subprocess.Popen(
            dbt_process.command(arguments, kept, digest, ends_with_stdin=True),
            cwd=workspace,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
        tqdm(desc="dbt build", unit="node", leave=False, disable=None) as progress,
    ):
        try:
            for line in process.stdout or ():
                event = parse_event(line)
                if event.get("name") in FINISHED:
                    progress.total = event["total"]
                    progress.update()
                elif event.get("level", "error") == "error":
                    messages.append(event.get("msg", line))
        except BaseException:
            process.kill()
            raise
    return process.returncode, messages


def vars_text(dbt_vars: dict[str, Any]) -> str:
    """Return vars as dbt's --vars takes them: in YAML, whose escapes hold any character."""
    return yaml.safe_dump(dbt_vars, default_flow_style=True, width=sys.maxsize)


def parse_event(line: str) -> dict[str, Any]:
    """Return name, level, message and total of a line of dbt's JSON log; {} for another line."""
    try:
        event = json.loads(line)
        told: dict[str, Any] = event["info"] | {"total": event["data"].get("total")}
    except (ValueError, KeyError, TypeError):
        return {}
    return told


def describe_failures(run_results: Path, database: Path) -> str:
    """Return what failed in a build: each test with its number of rows and the first of them."""
    lines = []
    with connect(database, read_only=True) as connection:
        for result in json.loads(run_results.read_text())["results"]:
            name = result["unique_id"].split(".")[2]
            if result["status"] == "fail":
                schema, table = result["relation_name"].replace('"', "").split(".")[1:]
                row = connection.execute(f'from "{schema}"."{table}" limit 1').fetchdf()
                # whatever stands in the row, it is one line
                first = one_line(", ".join(f"{key}={value}" for key, value in row.iloc[0].items()))
                lines.append(
                    f"test {name} failed with {result['failures']} row(s), the first: {first}."
                    f" All of them: from {schema}.{table}"
                )
            elif result["status"] == "error":
                lines.append(f"{name} could not be built: {one_line(result['message'])}")
    return "\n".join(lines)


@contextlib.contextmanager
def build_workspace() -> Iterator[Path]:
    """Make a folder to build in, beside the database; remove it, and those of killed runs."""
    DATABASE.parent.mkdir(exist_ok=True)
    with private_folder(DATABASE.parent, WORKSPACE_PREFIX) as workspace:
        yield workspace


def run(argv: list[str]) -> list[Path]:
    """Do what the command line asks for; return the run folders.

    The database is built beside the old one and takes its place at the end: nothing stale is
    exported, and whoever has the old one open keeps reading it.

    Raises InputError for bad input or usage, BuildError where a test failed.
    """
    arguments = parse_arguments(argv)
    given = vars_from(arguments)
    before = inputs.states(given)
    dbt_vars = inputs.check(given)
    check_is_replaceable(DATABASE)
    out = arguments.out
    with (
        writable_folder(out or ROOT / "runs"),
        build_workspace() as workspace,
        workers() as pool,
    ):
        try:
            database = build(dbt_vars, workspace)
        except BuildError as error:
            database = workspace / "data" / DATABASE.name
            raise BuildError(f"{error}\n{kept(database)}") from error
        with written(database, pool, out, arguments=argv) as samples:
            if changed := inputs.changed(before, inputs.states(given)):
                raise InputError(f"{changed} changed while it was read: run again.")
            replace_database(database, DATABASE)
            folders = publish(samples)
    for folder in folders:
        say(summary(folder))
    say(f"Ask in SQL: duckdb -readonly {shlex.quote(str(DATABASE))} -c 'from hedge_help()'")
    return folders


def kept(database: Path) -> str:
    """Keep a build that failed, where there is one; return where, in a sentence."""
    if not database.exists():
        return ""
    failed = DATABASE.with_name("hedge.failed.duckdb")
    try:
        replace_database(database, failed)
    except InputError as error:
        return f"The build is not kept: {error}"
    return f"The build is kept: duckdb -readonly {shlex.quote(str(failed))}"


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
