"""Turn the marts of a built database into run folders, one per symbol and timeframe.

usage: python -m scripts.export [--database FILE] [--out DIR] [--symbol S …]

A folder is written under a temporary name and renamed at the end: it is complete or absent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import duckdb

from scripts.command_line import OneLineParser, folder_path, run_command, say, writable_folder
from scripts.database import one_row, open_build, plots_of, rows, samples_in
from scripts.files import private_folder, sync
from scripts.project import DATABASE, ROOT, InputError, folder_name, sql_text
from scripts.summary import summary

SCHEMA_VERSION = 1

# file: (relation, its columns or * for all, a filter, the order: the mart's key)
CSV_FILES = {
    "spot_snapshot.csv": ("int_bars", "* exclude (leg)", "leg = 'spot'", "ts"),
    "perp_snapshot.csv": ("int_bars", "* exclude (leg)", "leg = 'perp'", "ts"),
    "funding_snapshot.csv": ("int_funding_prints", "symbol, ts, funding_rate", "true", "ts"),
    "prices_merged.csv": ("prices_merged", "*", "true", "ts"),
    "beta_series.csv": ("beta_series", "*", "true", "strategy, ts"),
    "returns_decomposed.csv": ("returns_decomposed", "*", "true", "strategy, ts"),
}
PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb", "matplotlib", "numpy", "pandas", "plotly")


@contextlib.contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """Start a process a core to write run folders with; they load their libraries at once.

    Processes, since matplotlib's plots would take turns for Python's lock; the libraries are
    loaded once, by the process that they are forked from.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.preloaded"])
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=make_ready) as pool:
        pool.submit(int)  # the first task starts them all
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def make_ready() -> None:
    """End a worker when its parent ends, however that is, and leave interrupts to the parent."""

    def end_with(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()


@dataclass(frozen=True)
class Sample:
    """A symbol and timeframe whose run folder is written: where it is, and where it goes."""

    symbol: str
    timeframe: str
    temporary: Path
    # of all timeframes of a symbol; each of several has a folder of its own in it
    base: Path
    parent: Path


@contextlib.contextmanager
def written(
    database: Path,
    pool: ProcessPoolExecutor,
    out: Path | None = None,
    symbols: list[str] | None = None,
    arguments: list[str] | None = None,
) -> Iterator[list[Sample]]:
    """Write a run folder for each symbol and timeframe of a built database; publish names them.

    out holds the folders of one symbol; with several, each gets a folder of its own in it,
    and so has each of several timeframes. Without out they go to runs/<SYMBOL>/hedge_mvp.
    arguments are kept in metadata.json. The processes of pool do the work. What is not
    published is removed at the end.

    Raises InputError where the database is missing, did not pass, or has no such symbol, and
    OSError where a folder could not be written.
    """
    with open_build(database) as connection:
        known = samples_in(connection)
        keys = [key for key in known if not symbols or key[0] in symbols]
        if not keys:
            raise InputError(
                f"{database} has no figures for {' '.join(symbols or ['any symbol'])}: it has"
                f" {' '.join(sorted({symbol for symbol, _ in known})) or 'none'}."
            )
        has_one_symbol = len({symbol for symbol, _ in keys}) == 1
        has_one_timeframe = one_row(
            connection.execute("select count(distinct timeframe) = 1 from int_strategies")
        )[0]
        plots = {symbol: plots_of(connection, symbol) for symbol, _ in keys}
    samples: list[Sample] = []
    tasks: list[Future[None]] = []
    with contextlib.ExitStack() as stack:
        for symbol, timeframe in keys:
            if out is None:
                base = ROOT / "runs" / folder_name(symbol) / "hedge_mvp"
            else:
                base = out if has_one_symbol else out / folder_name(symbol)
            parent = base if has_one_timeframe else base / timeframe
            for link in latest_links(base, parent, timeframe):
                if link.exists() and not link.is_symlink():
                    raise InputError(
                        f"{link} is not a link, and stands where the link to the newest run goes:"
                        " move it away."
                    )
            stack.enter_context(writable_folder(parent))
            temporary = stack.enter_context(private_folder(parent, ".writing-"))
            samples.append(Sample(symbol, timeframe, temporary, base, parent))
        try:
            for sample in samples:
                key = database, sample.symbol, sample.timeframe, sample.temporary
                tasks += [
                    pool.submit(write_figures, *key, arguments),
                    pool.submit(write_tables, *key),
                ]
                tasks += [pool.submit(write_plot, *key, name) for name in plots[sample.symbol]]
            for task in tasks:
                task.result()
        except BrokenProcessPool as error:
            raise MemoryError("a process that wrote run folders was killed") from error
        finally:
            for task in tasks:
                task.cancel()
            wait(tasks)
        yield samples


def write_plot(database: Path, symbol: str, timeframe: str, folder: Path, name: str) -> None:
    """Write a plot of one symbol and timeframe."""
    from scripts import plots

    with open_build(database) as connection:
        plots.draw(connection, symbol, timeframe, name, folder)


def write_tables(database: Path, symbol: str, timeframe: str, folder: Path) -> None:
    """Write the marts of one symbol and timeframe."""
    database, folder = database.absolute(), folder.absolute()
    # the snapshots are read from the input files, whose paths begin in the project's folder
    with contextlib.chdir(ROOT), open_build(database) as connection:
        (is_proxy,) = one_row(connection.execute("select is_perp_proxy from int_build"))
        for name, (relation, columns, condition, order) in CSV_FILES.items():
            if name == "perp_snapshot.csv" and is_proxy:
                continue
            copy(
                connection,
                folder / name,
                "header",
                relation,
                columns,
                f"{condition} and {of_sample(connection, relation, symbol, timeframe)}",
                order,
            )
        relation = "paper_rebalance_log"
        copy(
            connection,
            folder / f"{relation}.jsonl",
            "format json",
            relation,
            "*",
            of_sample(connection, relation, symbol, timeframe),
            "seq",
        )


def write_figures(
    database: Path, symbol: str, timeframe: str, folder: Path, arguments: list[str] | None
) -> None:
    """Write the figures of one symbol and timeframe, and the report that shows them."""
    from scripts import report

    with open_build(database) as connection:
        (verdict,) = rows(
            connection, "from hedge_verdict where symbol = ? and timeframe = ?", symbol, timeframe
        )
        contents = {
            "metrics": metrics(connection, symbol, timeframe),
            "verdict": verdict,
            "metadata": run_metadata(connection, symbol, timeframe, arguments),
        }
        for name, content in contents.items():
            write_json(folder / f"{name}.json", content)
        report.write(connection, symbol, timeframe, folder / "report.html", **contents)


def copy(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    options: str,
    relation: str,
    columns: str,
    condition: str,
    order: str,
) -> None:
    """Copy rows of a relation to a file, times as 2026-02-19T15:00:00Z."""
    times = [name for name, kind in columns_of(connection, relation).items() if kind == "TIMESTAMP"]
    as_text = ", ".join(f"strftime({name}, '%Y-%m-%dT%H:%M:%SZ') as {name}" for name in times)
    connection.execute(
        f"copy ("
        f"    select * replace ({as_text})"
        f"    from (select {columns} from {relation} where {condition} order by {order})"
        f") to {sql_text(str(path))} ({options})"
    )


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return the names and types of a relation's columns."""
    return {row[0]: row[1] for row in connection.execute(f"describe {relation}").fetchall()}


def of_sample(
    connection: duckdb.DuckDBPyConnection, relation: str, symbol: str, timeframe: str
) -> str:
    """Return the condition for a relation's rows of one symbol and, where it has any, timeframe."""
    condition = f"symbol = {sql_text(symbol)}"
    if "timeframe" in columns_of(connection, relation):
        condition += f" and timeframe = {sql_text(timeframe)}"
    return condition


def metrics(connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str) -> dict[str, Any]:
    """Return the content of metrics.json: figures as the models have them, undefined ones None."""
    key = [symbol, timeframe]
    sample = rows(
        connection,
        "from int_samples where symbol = ? and timeframe = ?",
        *key,
    )[0]
    strategies = rows(
        connection,
        "select metrics.* from hedge_metrics as metrics join hedge_strategies using (strategy)"
        " where symbol = ? and timeframe = ? order by hedge_strategies.rowid",
        *key,
    )
    incidents = rows(
        connection,
        "select kind, count(*) as incidents from data_incidents where symbol = ?"
        " group by kind order by kind",
        symbol,
    )
    build = rows(connection, "from int_build")[0]
    selected = rows(connection, "from int_strategies where is_selected")[0]
    return {
        "schema_version": SCHEMA_VERSION,
        "symbol": symbol,
        "timeframe": timeframe,
        "selected_strategy": selected["strategy"],
        "perp_is_proxy": build["is_perp_proxy"],
        "sample": {
            "start": sample["start_ts"],
            "end": sample["end_ts"],
            "merged_bars": sample["merged_bars"],
            "evaluated_bars": sample["evaluated_bars"],
            "warmup_bars": sample["warmup_bars"],
            "gap_bars": sample["gap_bars"],
        },
        "market": {
            "correlation": sample["correlation"],
            "beta_static": sample["beta_static"],
            "funding_total": sample["funding_total"],
        },
        "strategies": {
            row["strategy"]: {
                name: value
                for name, value in row.items()
                if name not in ("symbol", "timeframe", "strategy")
            }
            for row in strategies
        },
        "incidents": {row["kind"]: row["incidents"] for row in incidents},
    }


def run_metadata(
    connection: duckdb.DuckDBPyConnection,
    symbol: str,
    timeframe: str,
    arguments: list[str] | None,
) -> dict[str, Any]:
    """Return the content of metadata.json: what reproduces the run, inputs with their hashes.

    Raises InputError where an input file is no longer the one that the build read.
    """
    build = rows(connection, "from int_build")[0]
    inputs = rows(
        connection,
        "select leg, source_file as path, input_rows as rows, usable_rows, first_ts, last_ts,"
        " size_bytes as bytes, epoch(modified_ts)::bigint as modified_s"
        " from int_input_files where symbol = ? order by all",
        symbol,
    )
    for file in inputs:
        read = file["bytes"], file.pop("modified_s")
        try:
            with open(ROOT / file["path"], "rb") as opened:
                file["sha256"] = hashlib.file_digest(opened, "sha256").hexdigest()
                found = os.fstat(opened.fileno())
        except FileNotFoundError as error:
            raise InputError(f"{file['path']} is gone since the build: build again.") from error
        if (found.st_size, int(found.st_mtime)) != read:
            raise InputError(f"{file['path']} has changed since it was read: build again.")
    return {
        "schema_version": SCHEMA_VERSION,
        "symbol": symbol,
        "timeframe": timeframe,
        "perp_is_proxy": build["is_perp_proxy"],
        "built_at": build["built_at"],
        "as_of": build["as_of"],
        "arguments": arguments,
        "dbt_vars": json.loads(build["vars"]),
        "git_commit": git_commit(),
        "python": sys.version.split()[0],
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "inputs": inputs,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write strict JSON, times as 2026-02-19T15:00:00Z; raises ValueError on NaN or infinity."""

    def time_text(value: object) -> str:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        raise TypeError(f"{value!r} has no JSON form")

    path.write_text(
        json.dumps(content, indent=2, allow_nan=False, default=time_text, ensure_ascii=False)
        + "\n",
        encoding="utf-8",
    )


def git_commit() -> str | None:
    """Return the commit of the project, with -dirty for uncommitted changes; None without git."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def publish(samples: list[Sample]) -> list[Path]:
    """Give finished run folders their names, the time in UTC, and point `latest` to the newest.

    All of them get their names, or none.
    """
    named: list[Path] = []
    try:
        for sample in samples:
            named.append(give_name(sample.temporary, sample.parent))
        linked: set[Path] = set()
        for sample, folder in zip(samples, named, strict=True):
            links = latest_links(sample.base, sample.parent, sample.timeframe)
            for link in links - linked:
                point(link, folder)
            linked |= links
    except BaseException:
        for folder in named:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return named


def give_name(temporary: Path, parent: Path) -> Path:
    """Rename a finished folder to the time in UTC, with a suffix if that is taken.

    Its files reach the disk first, so that it is whole after a power cut, too.
    """
    for path in (*temporary.iterdir(), temporary):
        sync(path)
    now = datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
    # made for this user alone: as open as any other that this user makes
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)
    for suffix in itertools.count(1):
        folder = parent / (now if suffix == 1 else f"{now}_{suffix}")
        try:
            temporary.rename(folder)
            break
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    sync(parent)
    return folder


def latest_links(base: Path, parent: Path, timeframe: str) -> set[Path]:
    """Return the links that lead to the newest run: of the symbol, and of the timeframe alone.

    The latter is there once several timeframes were run.
    """
    links = {base / "latest", parent / "latest"}
    if (base / timeframe).is_dir():
        links.add(base / timeframe / "latest")
    return links


def point(link: Path, folder: Path) -> None:
    """Make a link to a folder, in the place of an older one."""
    with private_folder(link.parent, ".writing-") as private:
        new = private / link.name
        new.symlink_to(os.path.relpath(folder, link.parent), target_is_directory=True)
        new.replace(link)


def export(argv: list[str]) -> list[Path]:
    """Do what the command line asks for; return the run folders."""
    parser = OneLineParser(
        prog="scripts.export",
        description="Turn the marts of a built database into run folders.",
    )
    parser.add_argument("--database", type=Path, default=DATABASE, metavar="FILE")
    parser.add_argument("--out", type=folder_path, metavar="DIR")
    parser.add_argument("--symbol", nargs="+", metavar="S")
    arguments = parser.parse_args(argv)
    with (
        workers() as pool,
        written(arguments.database, pool, arguments.out, arguments.symbol, argv) as samples,
    ):
        folders = publish(samples)
    for folder in folders:
        say(summary(folder))
    return folders


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: export(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
