"""Open a built database to read from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

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


@contextlib.contextmanager
def open_build(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that a whole build left without a failed test, read-only.

    Raises InputError for any other file.
    """
    if not database.exists():
        raise InputError(f"{database} does not exist: build it with dbt build or scripts.run.")
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{database} cannot be opened ({reason}): build it again.") from error
    with connection:
        try:
            (has_passed,) = one_row(connection.execute("select has_passed from int_build"))
        except duckdb.CatalogException as error:
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
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a query that gives one row gave none")
    return row


def rows(
    connection: duckdb.DuckDBPyConnection, query: str, *parameters: object
) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts, what is not known as None."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
