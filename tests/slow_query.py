"""A query that takes longer than the two seconds after which DuckDB draws its progress."""

from __future__ import annotations

import time

from scripts.database import connect

ROWS, SECONDS_A_ROW = 300, 0.01


def run() -> None:
    """Run it: a row waits, so that it takes as long on any machine."""
    with connect() as connection:
        connection.create_function(
            "wait",
            lambda row: time.sleep(SECONDS_A_ROW) or row,
            ["BIGINT"],
            "BIGINT",
            side_effects=True,
        )
        connection.execute("set threads = 1")
        connection.execute(f"select sum(wait(range)) from range({ROWS})")
