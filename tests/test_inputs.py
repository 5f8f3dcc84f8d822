"""Inputs as users have them: names, types, units, places; all give the same figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Project, read_metrics, write_parquet

BARS = 200
START = pd.Timestamp("2025-01-01", tz="UTC")
TIMES = pd.date_range(START, periods=BARS, freq="1h")
PRINT_TIMES = pd.date_range(START, periods=BARS // 8, freq="8h")
EPOCH_MS = TIMES.as_unit("ms").asi8


def prices() -> tuple[np.ndarray, np.ndarray]:
    """Return closes of spot and perp."""
    random = np.random.default_rng(7)
    spot = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(BARS)))
    return spot, spot * (1 + 0.001 * random.standard_normal(BARS))


# a symbol of its own for each way to write the same bars: (name of the time column, its values)
TIME_FORMS: dict[str, tuple[str, object]] = {
    "ZONEDUSDT": ("timestamp", TIMES),
    "ZONEDNSUSDT": ("ts", TIMES.as_unit("ns")),
    "NAIVEUSDT": ("date", TIMES.tz_localize(None)),
    "NAIVENSUSDT": ("Datetime", TIMES.tz_localize(None).as_unit("ns")),
    "SECONDSUSDT": ("time", EPOCH_MS // 1_000),
    "MILLISUSDT": ("open_time", EPOCH_MS),
    "MICROSUSDT": ("timestamp", EPOCH_MS * 1_000),
    "NANOSUSDT": ("timestamp", EPOCH_MS * 1_000_000),
    "FLOATUSDT": ("timestamp", EPOCH_MS.astype(float)),
    # Binance's spot dumps turn from ms to µs in the middle of a history
    "SWITCHUSDT": ("timestamp", np.where(np.arange(BARS) < 90, EPOCH_MS, EPOCH_MS * 1_000)),
    "ISOUSDT": ("timestamp", [time.isoformat() for time in TIMES]),
    "ISONAIVEUSDT": ("timestamp", [time.strftime("%Y-%m-%d %H:%M:%S") for time in TIMES]),
    "ISOOFFSETUSDT": ("timestamp", [time.tz_convert("Asia/Kolkata").isoformat() for time in TIMES]),
    "DIGITSUSDT": ("timestamp", [str(ms) for ms in EPOCH_MS]),
    "NEWYORKUSDT": ("timestamp", TIMES.tz_convert("America/New_York")),
}
RATE_COLUMNS = ["funding_rate", "fundingRate", "rate", "funding", "last_funding_rate"]
PRINT_TIME_COLUMNS = ["timestamp", "calc_time", "fundingTime", "ts", "time"]


def write_symbol(folder: Path, symbol: str, place: int) -> None:
    """Write the three files of one symbol, with columns named and typed its own way."""
    name, times = TIME_FORMS[symbol]
    for leg, close in zip(("spot", "perp"), prices(), strict=True):
        frame = pd.DataFrame({name: times, "Close": close})
        write_parquet(folder / f"{leg}_{symbol}.parquet", frame)
    rate = RATE_COLUMNS[place % len(RATE_COLUMNS)]
    time = PRINT_TIME_COLUMNS[place % len(PRINT_TIME_COLUMNS)]
    frame = pd.DataFrame({time: PRINT_TIMES, rate: 1e-4})
    write_parquet(folder / f"funding_{symbol}.parquet", frame)


def write_whole_and_split(folder: Path) -> None:
    """Write two symbols in one file, and the same rows as two others' in files in any order."""
    random = np.random.default_rng(11)
    symbols = {"AAA": 1, "BBB": 3}
    for leg, close in zip(("spot", "perp"), prices(), strict=True):
        for suffix, parts in (("WHOLE", 1), ("SPLIT", 5)):
            both = pd.concat(
                [
                    pd.DataFrame(
                        {"timestamp": TIMES, "close": close * factor, "symbol": name + suffix}
                    )
                    for name, factor in symbols.items()
                ]
            ).sample(frac=1, random_state=3)
            for part, rows in enumerate(np.array_split(random.permutation(len(both)), parts)):
                write_parquet(folder / f"{leg}_{suffix}{part}.parquet", both.iloc[rows])
    write_parquet(
        folder / "funding_of_both.parquet",
        pd.concat(
            [
                pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4, "symbol": name + suffix})
                for name in symbols
                for suffix in ("WHOLE", "SPLIT")
            ]
        ),
    )


def write_duplicates(folder: Path) -> None:
    """Write exact copies and wrong values, and the right ones in the file that sorts last."""
    spot, perp = prices()
    frame = pd.DataFrame({"timestamp": TIMES, "close": spot, "symbol": "TWICE"})
    wrong = frame.iloc[50:53].assign(close=1.0)
    write_parquet(folder / "spot_TWICE_a.parquet", pd.concat([wrong, frame.iloc[:10]]))
    write_parquet(folder / "spot_TWICE_b.parquet", frame)
    write_parquet(folder / "perp_TWICE.parquet", frame.assign(close=perp))
    funding = pd.DataFrame(
        {
            "timestamp": PRINT_TIMES,
            "rate": np.arange(len(PRINT_TIMES)) * 1e-5,
            "symbol": "TWICE",
        }
    )
    late = funding.assign(timestamp=funding["timestamp"] + pd.Timedelta("7ms"))
    write_parquet(folder / "funding_TWICE.parquet", pd.concat([funding, late]))


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> tuple[Project, dict[str, dict]]:
    """A build of every form in one go, under another time zone than UTC."""
    project = new_project()
    for place, symbol in enumerate(TIME_FORMS):
        write_symbol(project.root / "in", symbol, place)
    write_whole_and_split(project.root / "in")
    write_duplicates(project.root / "in")
    return project, project.build(
        spot="in/spot_*", perp="in/perp_*", funding="in/funding_*", beta_window=20, vol_window=5
    )


@pytest.mark.parametrize("symbol", TIME_FORMS)
def test_every_form_gives_the_same_figures(built: tuple, symbol: str) -> None:
    metrics = built[1]
    assert metrics[symbol]["sample"] == metrics["ZONEDUSDT"]["sample"]
    # sums in several threads differ in the last digits
    assert metrics[symbol]["market"] == pytest.approx(metrics["ZONEDUSDT"]["market"], rel=1e-12)
    for name, figures in metrics[symbol]["strategies"].items():
        expected = metrics["ZONEDUSDT"]["strategies"][name]
        assert figures == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_bars_are_where_they_were_written(built: tuple) -> None:
    span = built[0].query(
        "select distinct min(ts) as first, max(ts) as last from prices_merged group by symbol"
    )
    assert span["first"].tolist() == [START.tz_localize(None)]
    assert span["last"].tolist() == [TIMES[-1].tz_localize(None)]


def test_odd_file_names(project: Project, tmp_path: Path) -> None:
    """Spaces, quotes, other alphabets, patterns, templates and shell code are just letters."""
    folder = tmp_path / "a folder's [name]"
    paths = {
        "spot": folder / "o'brien's \"spot\"; drop table x --[1].parquet",
        "perp": folder / "先物, perp* 100%.parquet",
        "funding": folder / "$(zinssätze) `f` & ?{{ x }}{% y %}.parquet",
    }
    for leg, close in zip(("spot", "perp"), prices(), strict=True):
        write_parquet(paths[leg], pd.DataFrame({"timestamp": TIMES, "close": close}))
    write_parquet(paths["funding"], pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4}))
    # names that these patterns would match, if they were patterns
    write_parquet(folder / "先物, perp2 100%.parquet", pd.DataFrame({"x": [1]}))
    (run_folder,) = project.run_folders(
        *(item for leg, path in paths.items() for item in (f"--{leg}", path)),
        "--symbol",
        "BTCUSDT",
        "--beta_window",
        20,
        "--out",
        tmp_path / "out put",
    )
    assert run_folder.parent == tmp_path / "out put"
    assert read_metrics(run_folder)["symbol"] == "BTCUSDT"
    metadata = json.loads((run_folder / "metadata.json").read_text())
    assert {file["path"] for file in metadata["inputs"]} == {str(path) for path in paths.values()}


def test_symbols_columns_and_files_split_and_shuffled(built: tuple) -> None:
    """One file with two symbols, against the same rows in many files in any order."""
    for name in ("AAA", "BBB"):
        whole, split = (built[1][name + suffix] for suffix in ("WHOLE", "SPLIT"))
        for strategy, figures in whole["strategies"].items():
            assert figures == pytest.approx(split["strategies"][strategy], rel=1e-9, abs=1e-12)
        assert whole["incidents"] == split["incidents"] == {}


def test_duplicates_are_dropped_and_the_last_conflict_wins(built: tuple) -> None:
    project, metrics = built
    assert metrics["TWICE"]["incidents"] == {
        "conflicting_bars": 1,
        "duplicate_bars": 1,
        "duplicate_prints": len(PRINT_TIMES),
    }
    closes = project.query(
        "select close_spot from prices_merged where symbol = 'TWICE' order by ts"
    )["close_spot"]
    np.testing.assert_array_equal(closes, prices()[0])
