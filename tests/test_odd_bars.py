"""Bars that are wrong in one way each, every symbol a case, in one build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.conftest import Project, read_metrics, write_parquet
from tests.test_inputs import PRINT_TIMES, TIMES, prices

# 5-minute raw bars around each hour's close, so that an hour has raw bars to lose
RAW_TIMES = pd.date_range(TIMES[0], periods=12 * len(TIMES), freq="5min")


def raw_bars(symbol: str, close: np.ndarray) -> pd.DataFrame:
    """Return 5m bars whose hourly closes are given, with volume 1 each."""
    return pd.DataFrame({
        "timestamp": RAW_TIMES, "close": np.repeat(close, 12), "volume": 1.0, "symbol": symbol,
    })


def spot_of(case: str, bars: pd.DataFrame) -> pd.DataFrame:
    """Return spot bars with the fault of a case."""
    if case == "STRAY":  # a bar two minutes late, at another price
        stray = bars.iloc[[1200]].assign(close=1.0)
        stray["timestamp"] += pd.Timedelta("2min")
        return pd.concat([bars, stray])
    if case == "INFINITEVOLUME":
        return bars.assign(volume=np.where(np.arange(len(bars)) == 1200, np.inf, 1.0))
    if case == "LASTRAWBAR":  # 10:55 is missing, and with it the bar of 10:00
        return bars[bars["timestamp"] != TIMES[100] + pd.Timedelta("55min")]
    if case == "MIDDLERAWBAR":  # 10:30 is missing: the bar is there, of 11 raw bars
        return bars[bars["timestamp"] != TIMES[100] + pd.Timedelta("30min")]
    return bars


SHORT = "NEWLISTING"  # 15 hours: fewer than the window
CASES = ["CLEAN", "STRAY", "INFINITEVOLUME", "LASTRAWBAR", "MIDDLERAWBAR"]


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> tuple[Project, dict[str, Path], str]:
    """A build of every case: project, run folders by symbol, stderr."""
    project = new_project()
    spot, perp = prices()
    write_parquet(project.root / "in" / "spot.parquet", pd.concat(
        [spot_of(case, raw_bars(case, spot)) for case in [*CASES, "NOFUNDING", "NOPERP"]]
        + [raw_bars(SHORT, spot)[:180]]
    ))
    write_parquet(project.root / "in" / "perp.parquet", pd.concat(
        [raw_bars(case, perp) for case in [*CASES, "NOFUNDING", SHORT]]
    ))
    write_parquet(project.root / "in" / "funding.parquet", pd.concat([
        pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4, "symbol": case})
        for case in [*CASES, "NOPERP", SHORT]
    ]))
    done = project.run(
        "--spot", "in/spot.parquet", "--perp", "in/perp.parquet", "--funding",
        "in/funding.parquet", "--beta_window", 20, "--vol_window", 5, "--out", "out",
    )
    assert done.returncode == 0, done.stderr
    folders = {Path(line).parent.name: Path(line) for line in done.stdout.splitlines()}
    return project, folders, done.stderr


def closes(folder: Path) -> pd.Series:
    """Return the spot closes of a run folder, by time."""
    return pd.read_csv(folder / "spot_snapshot.csv").set_index("ts")["close"]


@pytest.mark.parametrize("case", ["STRAY", "INFINITEVOLUME", "MIDDLERAWBAR"])
def test_faults_that_leave_the_closes_as_they_are(built: tuple, case: str) -> None:
    _, folders, _ = built
    pd.testing.assert_series_equal(closes(folders[case]), closes(folders["CLEAN"]))
    clean, odd = (read_metrics(folders[name])["strategies"] for name in ("CLEAN", case))
    for name, figures in clean.items():
        assert odd[name] == pytest.approx(figures, rel=1e-9, abs=1e-12)


def test_a_bar_without_its_last_raw_bar_does_not_exist(built: tuple) -> None:
    _, folders, _ = built
    missing = set(closes(folders["CLEAN"]).index) - set(closes(folders["LASTRAWBAR"]).index)
    assert missing == {TIMES[100].strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert read_metrics(folders["LASTRAWBAR"])["sample"]["gap_bars"] == 1
    counted = pd.read_csv(folders["MIDDLERAWBAR"] / "spot_snapshot.csv")["raw_bars"]
    assert sorted(counted.unique()) == [11, 12]


def test_each_fault_is_an_incident(built: tuple) -> None:
    _, folders, _ = built
    incidents = {case: read_metrics(folders[case])["incidents"] for case in CASES}
    assert incidents == {
        "CLEAN": {},
        "STRAY": {"unaligned_bars": 1},
        "INFINITEVOLUME": {},
        # 1 of 5 rows is over the gap: too many for the volatility's frame
        "LASTRAWBAR": {"missing_bars": 1, "beta_undefined": 1},
        "MIDDLERAWBAR": {"missing_bars": 1},
    }
    volumes = pd.read_csv(folders["INFINITEVOLUME"] / "spot_snapshot.csv")["volume"]
    assert volumes.min() == 11  # the raw bar whose volume is not known adds none


def test_a_symbol_that_lacks_an_input_is_not_evaluated_and_named(built: tuple) -> None:
    project, folders, stderr = built
    assert folders.keys() == set(CASES)
    assert "NOFUNDING is not evaluated: it is only in spot and perp" in stderr
    assert "NOPERP is not evaluated: it is only in spot and funding" in stderr
    reason = f"{project.root}/in/spot.parquet: {SHORT} has at most 15 bars"
    assert f"{SHORT} is not evaluated: {reason}" in stderr
    short = project.query("select kind from data_incidents where symbol = 'NEWLISTING'")
    assert set(short["kind"]) == {"not_evaluated", "span_differs"}
    absent = project.query("select symbol, source from data_incidents where kind = 'leg_missing'")
    assert dict(absent.itertuples(index=False)) == {
        "NOFUNDING": "perp,spot", "NOPERP": "funding,spot"
    }


def test_null_in_a_price_column_fails_but_a_missing_column_does_not(tmp_path: Path) -> None:
    from scripts.inputs import input_macros
    from scripts.project import default_vars

    macros = input_macros(default_vars())
    path = write_parquet(tmp_path / "spot_BTCUSDT.parquet", pd.DataFrame({
        "timestamp": TIMES[:3], "open": [1.0, np.nan, 1.0], "close": 1.0,
    }))
    with duckdb.connect() as connection:
        columns = [{"name": row[0], "type": row[1]} for row in connection.execute(
            f"describe from '{path}'").fetchall()]
        select = macros.bars_from_files([{"files": [str(path)], "columns": columns}])
        usable = connection.execute(f"select is_usable, high, source_row from ({select})")
        assert usable.fetchall() == [(True, None, 1), (False, None, 2), (True, None, 3)]
