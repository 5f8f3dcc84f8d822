"""Two builds of the same files as of the same time give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scripts import inputs, run
from scripts.benchmark.universe import LEGS, symbol_of, write_universe
from tests.conftest import Project
from tests.test_bad_inputs import good, refusal  # noqa: F401
from tests.test_run import write_legs

AS_OF = "2026-02-19T15:00:00Z"
# more rows than a thread of DuckDB takes at once, of raw bars and of returns
SYMBOLS, BARS = 4, 60_000


@pytest.fixture(scope="module")
def runs(new_project: Callable[[], Project]) -> list[dict[str, bytes]]:
    """The files of two runs of several symbols, by symbol and name."""
    project = new_project()
    write_universe(project.root / "files", SYMBOLS, BARS)
    flags = [
        item for leg in LEGS for item in (f"--{leg}", project.root / "files" / f"{leg}_*.parquet")
    ]
    found = []
    for name in ("first", "second"):
        folders = project.run_folders(*flags, "--as_of", AS_OF, "--out", name)
        found.append(
            {
                f"{folder.parent.name}/{path.name}": path.read_bytes()
                for folder in folders
                for path in folder.iterdir()
            }
        )
    return found


def test_two_runs_give_the_same_bytes(runs: list[dict[str, bytes]]) -> None:
    first, second = runs
    assert first.keys() == second.keys()
    compared = [
        name
        for name in first
        if name.endswith((".csv", ".jsonl", "/metrics.json", "/verdict.json"))
    ]
    assert len(compared) == SYMBOLS * 9
    assert [name for name in compared if first[name] != second[name]] == []


def test_the_age_of_data_is_told_at_that_time(runs: list[dict[str, bytes]]) -> None:
    for symbol in map(symbol_of, range(SYMBOLS)):
        files = {
            name.split("/")[1]: text.decode()
            for name, text in runs[0].items()
            if name.startswith(f"{symbol}/") and not name.endswith(".png")
        }
        *orders, last = map(json.loads, files["paper_rebalance_log.jsonl"].splitlines())
        age = pd.Timestamp(AS_OF) - pd.Timestamp(last["decision_ts"])
        assert last["data_age_hours"] == age / pd.Timedelta(hours=1)
        assert {order["data_age_hours"] for order in orders} == {None}
        metadata = json.loads(files["metadata.json"])
        assert metadata["as_of"] == AS_OF
        assert metadata["dbt_vars"]["as_of"] == "2026-02-19 15:00:00"
        assert pd.Timestamp(metadata["built_at"]) > pd.Timestamp(AS_OF)
        assert re.search(rf"on data that were \d+ days old\s+at {AS_OF}", files["report.html"])


@pytest.mark.parametrize("leg", ["spot", "perp"])
def test_a_bar_that_has_not_ended_is_told_at_that_time(
    project: Project, tmp_path: Path, leg: str
) -> None:
    flags = dict(zip(*[iter(map(str, write_legs(tmp_path)))] * 2, strict=True))
    last = pd.read_parquet(flags[f"--{leg}"])["timestamp"].max()
    dbt_vars = {name.removeprefix("--"): path for name, path in flags.items()}
    dbt_vars |= {"beta_window": 20, "vol_window": 5, "symbol": "BTCUSDT"}
    for minutes, found in ((1, {"spot", "perp"}), (60, set())):
        project.build(**dbt_vars, as_of=str(last + pd.Timedelta(minutes=minutes)))
        incidents = project.query(
            "select source from data_incidents where kind = 'incomplete_last_bar'"
            " and severity = 'warn'"
        )
        assert set(incidents["source"]) == found


@pytest.mark.parametrize(
    "given",
    ["yesterday", "2026-02-30T00:00:00Z", "2026-02-19T25:00:00Z", "2026-02-19T15:00:00+02:00", "7"],
)
def test_a_time_that_is_none_is_refused(good: dict[str, Path], given: str) -> None:  # noqa: F811
    sentence = f"as_of is {given}: give a time in UTC, such as 2026-02-19T15:00:00Z."
    assert refusal(good, "--as_of", given) == sentence


@pytest.mark.parametrize(
    "given",
    [
        "2026-02-19T15:00:00Z",
        "2026-02-19 15:00:00",
        "2026-02-19T15:00:00.999+00:00",
        "2026-02-19T15",
    ],
)
def test_a_time_is_taken_as_it_is_written(given: str) -> None:
    assert inputs.input_macros({"as_of": given}).as_of() == "2026-02-19 15:00:00"
    assert run.vars_from(run.parse_arguments(["--as-of", given]))["as_of"] == given
