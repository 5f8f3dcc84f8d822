"""Time ad-hoc queries on a build: of a mart, of the README, and of the report.

usage: python -m scripts.benchmark.questions DATABASE RUN_FOLDER FOLDER

Prints one line of JSON: milliseconds by query, the median of a few repetitions, or the error of a
query that this database cannot answer. RUN_FOLDER is a run folder of one of its symbols; queries
that name files find them in FOLDER.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from scripts.command_line import print_lines
from scripts.database import connect, rows
from scripts.project import ROOT

REPETITIONS = 7
MART = "from returns_decomposed where symbol = ? and timeframe = ? and strategy = ?"
Milliseconds = dict[str, float | str]


class Recorder:
    """A connection that keeps the queries it is given."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Record what goes to a connection."""
        self.connection = connection
        self.queries: list[tuple[str, Sequence[object]]] = []

    def execute(self, query: str, parameters: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a query, and keep it."""
        self.queries.append((query, parameters))
        return self.connection.execute(query, parameters)

    def __getattr__(self, name: str) -> object:
        """Leave everything else to the connection."""
        found: object = getattr(self.connection, name)
        return found


def milliseconds(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> float | str:
    """Return how long a query takes with its rows as a frame, or its error."""
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        try:
            connection.execute(query, parameters).fetchdf()
        except duckdb.Error as error:
            return str(error).splitlines()[0]
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def readme_queries() -> list[str]:
    """Return the SQL of the README and of the pages in docs."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [
        query.strip()
        for page in pages
        for query in re.findall(r"```sql\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL)
    ]


def report_queries(
    database: Path, symbol: str, timeframe: str
) -> list[tuple[str, Sequence[object]]]:
    """Return the queries that a report is made with, by making one."""
    from scripts import export, report

    write, found = report.write, []

    def recorded(connection: Any, *arguments: Any, **contents: Any) -> None:  # noqa: ANN401
        recorder = Recorder(connection)
        write(recorder, *arguments, **contents)  # type: ignore[arg-type]
        found.extend(recorder.queries)

    report.write = recorded
    with tempfile.TemporaryDirectory() as scratch:
        export.write_figures(database, symbol, timeframe, Path(scratch), None)
    return found


def timed(database: Path, folder: Path) -> dict[str, Milliseconds]:
    """Return the milliseconds of each query, by where it comes from and what it is."""
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    sample = metrics["symbol"], metrics["timeframe"], metrics["selected_strategy"]
    of_report = report_queries(database, *sample[:2])
    with connect(database, read_only=True) as connection:
        start = time.perf_counter()
        connection.execute(MART, sample).fetchdf()
        first = 1000 * (time.perf_counter() - start)
        found: dict[str, Milliseconds] = {
            "mart": {"first": first, "again": milliseconds(connection, MART, sample)},
            "readme": {query: milliseconds(connection, query) for query in readme_queries()},
            "report": {
                query: milliseconds(connection, query, parameters)
                for query, parameters in of_report
            },
        }
        shown = rows(
            connection,
            "select figure, query from hedge_figures()"
            " where symbol = ? and timeframe = ? and strategy = ?",
            *sample,
        )
        found["shown"] = {row["figure"]: milliseconds(connection, row["query"]) for row in shown}
    return found


if __name__ == "__main__":
    os.chdir(sys.argv[3])
    print_lines(iter([json.dumps(timed(Path(sys.argv[1]), Path(sys.argv[2])))]))
