"""Resampling and accrual on any input: conserved, whatever the order of rows and files.

The models' own SQL, as dbt compiles it, runs on invented rows of staging; what it should give
is counted anew in Python.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

START = datetime(2025, 3, 1)
RAW_STEP, HOUR = timedelta(minutes=5), timedelta(hours=1)
PER_HOUR = HOUR // RAW_STEP

ANY = settings(max_examples=60, deadline=None, derandomize=True, database=None)

prices = st.floats(1e-6, 1e6)
# a raw bar: its place, four prices, a volume in eighths so that sums are exact
raw_bars = st.lists(
    st.tuples(
        st.integers(0, 6 * PER_HOUR - 1),
        st.tuples(prices, prices, prices, prices),
        st.integers(0, 800).map(lambda eighths: eighths / 8),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda bar: bar[0],
)
# a print: its hour, and a rate
prints = st.lists(
    st.tuples(st.integers(-20, 60), st.floats(-0.01, 0.01)),
    min_size=1,
    max_size=30,
    unique_by=lambda one: one[0],
)
# the hours that both legs have bars of
hours = st.lists(st.integers(0, 48), min_size=2, max_size=40, unique=True)


def database() -> duckdb.DuckDBPyConnection:
    """Return an empty database with the tables that staging would give."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as hedge")
    connection.execute("use hedge")
    bars = (
        "symbol varchar, ts timestamp, time_unit varchar, open double, high double, low double,"
        " close double, volume double, is_usable boolean, source_file varchar, source_row bigint"
    )
    connection.execute(f"create table stg_spot_bars ({bars})")
    connection.execute(f"create table stg_perp_bars ({bars})")
    connection.execute(
        "create table stg_funding_prints (symbol varchar, ts timestamp, time_unit varchar,"
        " funding_rate double, is_usable boolean, source_file varchar, source_row bigint)"
    )
    connection.execute(
        "create table int_raw_steps as select leg, 'X' as symbol, 300000::bigint as raw_step_ms"
        " from (values ('spot'), ('perp')) legs(leg)"
    )
    return connection


def build(connection: duckdb.DuckDBPyConnection, compiled: dict[str, str], name: str) -> None:
    """Build a model, as dbt would."""
    connection.execute(f"create or replace table {name} as {compiled[name]}")


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple]) -> None:
    """Insert rows of values into a table."""
    places = ", ".join("?" * len(rows[0]))
    connection.executemany(f"insert into {table} values ({places})", rows)


def resampled(
    compiled: dict[str, str], bars: list[tuple], files: list[str] | None = None
) -> list[tuple]:
    """Return the hours that the models make of raw bars: ts, open, …, volume, raw_bars."""
    files = files or ["a"] * len(bars)
    with database() as connection:
        insert(
            connection,
            "stg_spot_bars",
            [
                ("X", START + place * RAW_STEP, None, *ohlc, volume, True, file, row)
                for row, ((place, ohlc, volume), file) in enumerate(zip(bars, files, strict=True))
            ],
        )
        # the bars' size is given, however few of them follow each other
        connection.execute(
            "create table int_input_files as select 'spot' as leg, symbol, source_file,"
            " min(ts) as first_ts, max(ts) as last_ts, 300000::bigint as raw_step_ms"
            " from stg_spot_bars group by symbol, source_file"
        )
        for name in ("int_raw_marks", "int_raw_runs", "int_copied_bars", "int_raw_bars"):
            build(connection, compiled, name)
        build(connection, compiled, "int_bars")
        return connection.execute(
            "select ts, open, high, low, close, volume, raw_bars from int_bars order by ts"
        ).fetchall()


@ANY
@given(bars=raw_bars)
def test_hours_hold_what_their_raw_bars_held(compiled: dict[str, str], bars: list[tuple]) -> None:
    by_hour: dict[int, list[tuple]] = {}
    for bar in sorted(bars):
        by_hour.setdefault(bar[0] // PER_HOUR, []).append(bar)
    expected = [
        (
            START + hour * HOUR,
            held[0][1][0],
            max(ohlc[1] for _, ohlc, _ in held),
            min(ohlc[2] for _, ohlc, _ in held),
            held[-1][1][3],
            sum(volume for _, _, volume in held),
            len(held),
        )
        for hour, held in sorted(by_hour.items())
        # without its last raw bar, an hour's close would be of another instant
        if held[-1][0] % PER_HOUR == PER_HOUR - 1
    ]
    assert resampled(compiled, bars) == expected


@ANY
@given(bars=raw_bars, seed=st.integers(0, 1000))
def test_order_files_and_copies_change_no_bar(
    compiled: dict[str, str], bars: list[tuple], seed: int
) -> None:
    shuffle = random.Random(seed)
    again = bars + shuffle.sample(bars, len(bars) // 3)
    shuffle.shuffle(again)
    files = [f"part{shuffle.randrange(4)}" for _ in again]
    assert resampled(compiled, again, files) == resampled(compiled, bars)


def accrued(
    compiled: dict[str, str], bar_hours: list[int], funding: list[tuple]
) -> tuple[float, list[float]]:
    """Return the funding that the models give to bars, in all and by bar."""
    with database() as connection:
        insert(
            connection,
            "stg_funding_prints",
            [
                ("X", START + hour * HOUR, None, rate, True, "a", row)
                for row, (hour, rate) in enumerate(funding)
            ],
        )
        connection.execute(
            "create table int_pairs (symbol varchar, end_ts timestamp, close_spot double,"
            " close_perp double)"
        )
        insert(
            connection,
            "int_pairs",
            [("X", START + (hour + 1) * HOUR, 100.0, 100.0) for hour in bar_hours],
        )
        build(connection, compiled, "int_funding_prints")
        build(connection, compiled, "int_merged_bars")
        rows = connection.execute(
            "select funding_rate from int_merged_bars where not is_next_bar and r_spot is not null"
            " order by ts"
        ).fetchall()
    by_bar = [rate for (rate,) in rows]
    return sum(by_bar), by_bar


def owed(funding: list[tuple], start: float, end: float) -> float:
    """Return what prints accrue between two hours, each until the next, 8 hours at most."""
    ordered = sorted(funding)
    total, length = 0.0, 8.0
    for place, (hour, rate) in enumerate(ordered):
        if place + 1 < len(ordered):
            length = min(ordered[place + 1][0] - hour, 8.0)
        covered = min(end, hour + length) - max(start, hour)
        total += rate * max(covered, 0.0) / length
    return total


@ANY
@given(funding=prints, bar_hours=hours)
def test_bars_receive_what_the_prints_owe_them(
    compiled: dict[str, str], funding: list[tuple], bar_hours: list[int]
) -> None:
    ends = [hour + 1 for hour in sorted(bar_hours)]
    total, by_bar = accrued(compiled, bar_hours, funding)
    assert total == pytest.approx(owed(funding, ends[0], ends[-1]), abs=1e-12)
    assert by_bar == pytest.approx(
        [owed(funding, start, end) for start, end in zip(ends, ends[1:], strict=False)], abs=1e-12
    )


@ANY
@given(funding=prints, bar_hours=hours, seed=st.integers(0, 1000))
def test_gaps_lose_no_funding_and_order_changes_none(
    compiled: dict[str, str], funding: list[tuple], bar_hours: list[int], seed: int
) -> None:
    shuffle = random.Random(seed)
    first, *inner, last = sorted(bar_hours)
    fewer = [first, *(hour for hour in inner if shuffle.random() < 0.5), last]
    total, _ = accrued(compiled, bar_hours, funding)
    shuffle.shuffle(fewer)
    shuffle.shuffle(funding)
    assert accrued(compiled, fewer, funding)[0] == pytest.approx(total, abs=1e-12)
