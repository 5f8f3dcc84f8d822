"""Two months that were fetched, imported, or lay there as parquet give the same figures."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests import dump_server
from tests.conftest import MARKET_DATA, Project, needs_market_data

pytestmark = needs_market_data

START, END = pd.Timestamp("2025-01-01", tz="UTC"), pd.Timestamp("2025-03-01", tz="UTC")
FREQTRADE = {
    "spot": "BTC_USDT-5m.feather",
    "perp": "futures/BTC_USDT_USDT-5m-futures.feather",
    "funding": "futures/BTC_USDT_USDT-8h-funding_rate.feather",
}


def fetched(project: Project, folder: Path) -> None:
    """Download the months from the dumps."""
    with dump_server.serving(MARKET_DATA / "dumps") as server:
        done = project.run(
            "--symbol",
            "BTCUSDT",
            "--start",
            "2025-01",
            "--end",
            "2025-02",
            "--out",
            folder,
            "--base-url",
            server.url,
            module="scripts.fetch",
        )
    assert done.returncode == 0, done.stderr


def imported(project: Project, folder: Path) -> None:
    """Import the months from freqtrade's files."""
    for kind, name in FREQTRADE.items():
        frame = pd.read_feather(MARKET_DATA / "freqtrade" / name)
        # a print is stamped some milliseconds late
        frame = frame[(frame["date"] >= START) & (frame["date"] < END)].reset_index(drop=True)
        folder.mkdir(exist_ok=True)
        frame.to_feather(folder / f"{kind}.feather")
        done = project.run(
            folder / f"{kind}.feather",
            "--kind",
            kind,
            "--symbol",
            "IMPORTED",
            "--out",
            folder,
            module="scripts.import_data",
        )
        assert done.returncode == 0, done.stderr


def shipped(_: Project, folder: Path) -> None:
    """Cut the months out of the parquet files."""
    folder.mkdir(exist_ok=True)
    for path in (MARKET_DATA / "raw").glob("*BTCUSDT*.parquet"):
        duckdb.execute(
            f"copy (select columns(lambda name: name <> 'symbol'), 'SHIPPED' as symbol"
            f" from '{path}' where timestamp >= '{START}' and timestamp < '{END}')"
            f" to '{folder / f'shipped_{path.name}'}'"
        )


def test_the_figures_are_the_same_whatever_way_the_data_came(
    project: Project, tmp_path: Path
) -> None:
    for way in (shipped, fetched, imported):
        way(project, tmp_path)
    metrics = project.build(**{leg: str(tmp_path / f"*_{leg}_*.parquet") for leg in FREQTRADE})
    expected = metrics.pop("SHIPPED")
    # dumps name their symbol themselves
    assert metrics.keys() == {"BTCUSDT", "IMPORTED"}
    assert expected["sample"]["merged_bars"] == 59 * 24
    for symbol, found in metrics.items():
        assert found["sample"] == expected["sample"], symbol
        assert found["incidents"] == expected["incidents"], symbol
        assert found["market"] == pytest.approx(expected["market"], rel=1e-12), symbol
        for name, figures in expected["strategies"].items():
            # sums in several threads differ in the last digits
            assert found["strategies"][name] == pytest.approx(figures, rel=1e-9, abs=1e-12), symbol
