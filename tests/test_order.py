"""The order of rows: what depends on it fails in another one, and the rest gives the same."""

from __future__ import annotations

import random
from datetime import timedelta

import duckdb
import pytest

from tests.test_properties import RAW_STEP, START, build, database, insert

BARS = 12 * 48


def staged(connection: duckdb.DuckDBPyConnection, order: list[int]) -> None:
    """Write bars of both legs, with a hole, a copy and a flat bar, in an order of the rows."""
    for leg, basis in (("spot", 0.0), ("perp", 0.01)):
        rows = []
        for place in range(BARS):
            close = 100.0 + place % 7 + basis
            ts = START + (place - (place == 300)) * RAW_STEP
            ts += timedelta(hours=1) if place > 400 else timedelta(0)
            volume = 0.0 if place == 50 else 1.0
            bar = close, close, close, close, volume
            rows.append(("X", ts, None, *bar, True, f"{leg}.parquet", place + 1))
        insert(connection, f"stg_{leg}_bars", [rows[place] for place in order])


def built(compiled: dict[str, str], order: list[int]) -> dict[str, list[tuple]]:
    """Return the rows of the models that read the raw rows, for an order of these."""
    with database() as connection:
        staged(connection, order)
        connection.execute(
            "create table int_input_files as select leg, 'X' as symbol,"
            " leg || '.parquet' as source_file, min(ts) as first_ts, max(ts) as last_ts,"
            " 300000::bigint as raw_step_ms"
            " from (values ('spot'), ('perp')) legs(leg), stg_spot_bars group by leg"
        )
        names = ("int_raw_marks", "int_raw_runs", "int_copied_bars", "int_raw_bars", "int_pairs")
        for name in names:
            build(connection, compiled, name)
        return {
            name: connection.execute(f"from {name} order by all").fetchall() for name in names[1:]
        }


@pytest.mark.parametrize("order", ["reversed", "shuffled", "in blocks"])
def test_the_order_of_a_scan_changes_nothing(compiled: dict[str, str], order: str) -> None:
    places = list(range(BARS))
    match order:
        case "reversed":
            other = places[::-1]
        case "shuffled":
            other = random.Random(1).sample(places, BARS)
        case _:  # as chunks of a scan by several threads would come
            other = places[200:400] + places[:200] + places[400:]
    assert built(compiled, other) == built(compiled, places)


@pytest.mark.parametrize("order", ["series, place_in_time desc", "hash(close)"])
def test_pairs_that_are_not_read_in_order_fail_the_build(
    compiled: dict[str, str], order: str
) -> None:
    ordered = "order by series, place_in_time)"
    assert compiled["int_pairs"].count(ordered) == 1
    faulty = compiled | {"int_pairs": compiled["int_pairs"].replace(ordered, f"order by {order})")}
    with pytest.raises(duckdb.Error, match="closes came out of order"):
        built(faulty, list(range(BARS)))
