"""Open a built database to read from it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from scripts.command_line import is_out_of_memory, one_line, say
from scripts.files import put_in_place
from scripts.project import InputError

# each is a function of scripts/plots.py
PLOTS = (
    "cumlogret",
    "rolling_vol",
    "rolling_variance_reduction",
    "beta_vs_funding",
    "variance_components",
    "cost_risk_frontier",
)
PLOT_OF_SEVERAL_TIMEFRAMES = "effectiveness_by_timeframe"


def connect(
    database: Path | str = ":memory:", *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open a database as every command does: no progress bar on stdout, nothing downloaded."""
    connection = duckdb.connect(
        str(database),
        read_only=read_only,
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    # only where it is on: in Jupyter any change asks for a further package
    if one_row(connection.execute("select current_setting('enable_progress_bar')"))[0]:
        connection.execute("set enable_progress_bar = false")
    return connection


def check_is_replaceable(database: Path) -> None:
    """Refuse to replace a database that a program has open for writing.

    What that program writes next would lie beside the new database as its write-ahead log,
    and nobody could open it again.
    """
    with contextlib.suppress(FileNotFoundError), locked_against_writers(database):
        pass


@contextlib.contextmanager
def locked_against_writers(database: Path) -> Iterator[None]:
    """Hold the lock of DuckDB's readers; raises InputError where a writer holds the other."""
    with database.open("rb") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{database} is open for writing in another program: close it there, or open it"
                " with duckdb -readonly, and run again."
            ) from error
        yield


def replace_database(new: Path, database: Path) -> None:
    """Put a closed database in the place of another; whoever reads that one keeps reading it.

    A write-ahead log that a killed program left belongs to the old one, and goes with it. An
    old one that cannot be opened is replaced, and stderr says so.

    Raises InputError where a program has the old one open for writing.
    """
    with contextlib.ExitStack() as stack:
        if database.exists():
            check_is_replaceable(database)
            try:
                connect(database, read_only=True).close()
            except duckdb.Error as error:
                fault = f"{database} cannot be opened ({first_line(error)}): this run replaces it."
                say(one_line(fault))
            # only now: closing the file above would have released a lock of this process
            stack.enter_context(locked_against_writers(database))
        database.with_name(f"{database.name}.wal").unlink(missing_ok=True)
        put_in_place(new, database)


def first_line(error: Exception) -> str:
    """Return what an error of DuckDB says, without its advice.

    Raises MemoryError where it says that memory is used up: the file is not to blame.
    """
    if is_out_of_memory(error):
        raise MemoryError from error
    return one_line(str(error).splitlines()[0])


@contextlib.contextmanager
def open_build(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that a whole build left without a failed test, read-only.

    Raises InputError for any other file.
    """
    if not database.exists():
        raise InputError(f"{database} does not exist: build it with dbt build or scripts.run.")
    if not database.is_file():
        raise InputError(f"{database} is not a file: give the database that a build has written.")
    try:
        connection = connect(database, read_only=True)
    except duckdb.Error as error:
        raise InputError(
            f"{database} cannot be opened ({first_line(error)}): build it again."
        ) from error
    with connection:
        try:
            (has_passed,) = one_row(connection.execute("select has_passed from int_build"))
        except (duckdb.CatalogException, LookupError) as error:
            raise InputError(f"{database} has no figures: build it with dbt build.") from error
        if not has_passed:
            raise InputError(
                f"{database}: its last build did not end, or did not pass: run the whole of"
                " dbt build again."
            )
        yield connection


def samples_in(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the symbols and timeframes that have figures, short bars first."""
    return connection.execute(
        "select symbol, timeframe from int_samples where evaluated_bars > 0"
        " order by symbol, periods_per_year desc"
    ).fetchall()


def plots_of(connection: duckdb.DuckDBPyConnection, symbol: str) -> tuple[str, ...]:
    """Return the names of a symbol's plots."""
    timeframes = [sample for sample in samples_in(connection) if sample[0] == symbol]
    return (*PLOTS, PLOT_OF_SEVERAL_TIMEFRAMES) if len(timeframes) > 1 else PLOTS


def one_row(cursor: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """Return the row of a query that has one; raises LookupError where none came back."""
    # all of them: a result that is not read to its end keeps the connection busy
    found: list[tuple[Any, ...]] = cursor.fetchall()
    if not found:
        raise LookupError("a query that gives one row gave none")
    return found[0]


def rows(
    connection: duckdb.DuckDBPyConnection, query: str, *parameters: object
) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts, what is not known as None."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
