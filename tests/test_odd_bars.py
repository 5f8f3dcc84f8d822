"""Bars that are wrong in one way each, every symbol a case, in one build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scripts import inputs
from tests.conftest import Project, write_parquet
from tests.test_inputs import PRINT_TIMES, TIMES, prices

# 5-minute raw bars around each hour's close, so that an hour has raw bars to lose
RAW_TIMES = pd.date_range(TIMES[0], periods=12 * len(TIMES), freq="5min")


def raw_bars(symbol: str, close: np.ndarray) -> pd.DataFrame:
    """Return 5m bars whose hourly closes are given, with volume 1 each."""
    return pd.DataFrame(
        {
            "timestamp": RAW_TIMES,
            "close": np.repeat(close, 12),
            "volume": 1.0,
            "symbol": symbol,
        }
    )


ODD_NAME = "龙虾:A/B_c-1.USDT"
# what must give the same figures as CLEAN
HARMLESS = [
    "STRAY",
    "INFINITEVOLUME",
    "MIDDLERAWBAR",
    "REVERSED",
    "TWICE",
    "TINY",
    "HUGE",
    "THOUSANDS",
    "HOURLYPRINTS",
    "MOREFUNDING",
    "LOCALTIME",
    ODD_NAME,
]
CASES = [
    "CLEAN",
    *HARMLESS,
    "LASTRAWBAR",
    "LATESTART",
    "EARLYEND",
    "NOFIRSTPRINT",
    "CLOCKBACK",
    "SUMMERTIME",
    "WINTERTIME",
]


def legs_of(case: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return spot bars, perp bars and prints with the oddity of a case."""
    spot, perp = (raw_bars(case, close) for close in prices())
    funding = pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4, "symbol": case})
    one_bar = RAW_TIMES[1200]
    match case:
        case "STRAY":  # a bar two minutes late, at another price
            stray = spot.iloc[[1200]].assign(close=1.0, timestamp=one_bar + pd.Timedelta("2min"))
            spot = pd.concat([spot, stray])
        case "INFINITEVOLUME":
            spot = spot.assign(volume=np.where(spot["timestamp"] == one_bar, np.inf, 1.0))
        case "MIDDLERAWBAR":  # 10:30 is missing: the bar is there, of 11 raw bars
            spot = spot[spot["timestamp"] != TIMES[100] + pd.Timedelta("30min")]
        case "LASTRAWBAR":  # 10:55 is missing, and with it the bar of 10:00
            spot = spot[spot["timestamp"] != TIMES[100] + pd.Timedelta("55min")]
        case "REVERSED":
            spot, perp, funding = spot[::-1], perp[::-1], funding[::-1]
        case "TWICE":  # a block that was downloaded twice
            spot = pd.concat([spot, spot[500:700]])
        case "TINY" | "HUGE":  # 1e-8 a coin, and 1e12
            factor = 1e-10 if case == "TINY" else 1e10
            spot, perp = (leg.assign(close=leg["close"] * factor) for leg in (spot, perp))
        case "THOUSANDS":  # both legs count in 1000 coins
            spot, perp = (leg.assign(close=leg["close"] * 1000) for leg in (spot, perp))
        case "HOURLYPRINTS":  # the same funding, paid every hour
            hourly = pd.DataFrame({"timestamp": TIMES, "rate": 1e-4 / 8})
            funding = hourly.assign(symbol=case)
        case "MOREFUNDING":  # years of it, before and after the bars
            times = pd.date_range("2023-01-01", "2027-01-01", freq="8h", tz="UTC")
            funding = pd.DataFrame({"timestamp": times, "rate": 1e-4, "symbol": case})
        case "LOCALTIME":  # zoned times of a place with half an hour's offset
            spot = spot.assign(timestamp=spot["timestamp"].dt.tz_convert("Asia/Kolkata"))
        case "LATESTART":
            perp = perp[12 * 24 :]
        case "EARLYEND":
            perp = perp[: -12 * 24]
        case "NOFIRSTPRINT":
            funding = funding[1:]
        case "CLOCKBACK":  # three hours stamped an hour early, over the one before
            shift = pd.Series(pd.Timedelta(0), index=spot.index)
            shift[1200:1236] = pd.Timedelta("1h")
            spot = spot.assign(timestamp=spot["timestamp"] - shift)
        case "SUMMERTIME" | "WINTERTIME":  # bars named by a wall clock that is changed
            change = "2025-03-05" if case == "SUMMERTIME" else "2025-10-30"
            ahead = pd.Timestamp(change, tz="UTC") - TIMES[0]
            spot, perp = (
                leg.assign(
                    timestamp=(leg["timestamp"] + ahead)
                    .dt.tz_convert("America/New_York")
                    .dt.tz_localize(None)
                    .dt.tz_localize("UTC")
                )
                for leg in (spot, perp)
            )
            funding = funding.assign(timestamp=funding["timestamp"] + ahead)
    return spot, perp, funding


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> tuple[Project, dict[str, dict]]:
    """A build of every case: project, and what metrics.json would hold, by symbol."""
    project = new_project()
    legs = zip(*map(legs_of, CASES), strict=True)
    (project.root / "in").mkdir()
    paths = {leg: project.root / "in" / f"{leg}.parquet" for leg in inputs.LEGS}
    for path, frames in zip(paths.values(), legs, strict=True):
        # found through a link
        path.symlink_to(write_parquet(project.root / "elsewhere" / path.name, pd.concat(frames)))
    # as scripts.run does before it builds: none is refused
    dbt_vars = inputs.check(
        {leg: str(path) for leg, path in paths.items()} | {"beta_window": 20, "vol_window": 5}
    )
    return project, project.build(**dbt_vars)


def bars_of(project: Project, case: str) -> pd.DataFrame:
    """Return the spot bars of a case, by time."""
    return project.query(
        f"from int_bars where leg = 'spot' and symbol = '{case}' order by ts"
    ).set_index("ts")


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_odd_but_harmless_changes_no_figure(built: tuple, case: str) -> None:
    clean, odd = (built[1][name] for name in ("CLEAN", case))
    assert odd["sample"] == clean["sample"]
    assert odd["market"] == pytest.approx(clean["market"], rel=1e-9)
    for name, figures in clean["strategies"].items():
        assert odd["strategies"][name] == pytest.approx(figures, rel=1e-9, abs=1e-12)


# case: (merged bars, incidents by kind; what follows for the ratios aside)
CONSEQUENCES = {
    "CLEAN": (200, {}),
    "STRAY": (200, {"unaligned_bars": 1}),
    "INFINITEVOLUME": (200, {}),
    "MIDDLERAWBAR": (200, {"missing_bars": 1}),
    "LASTRAWBAR": (199, {"missing_bars": 1}),
    "REVERSED": (200, {}),
    "TWICE": (200, {"duplicate_bars": 1}),
    "MOREFUNDING": (200, {}),
    "LATESTART": (176, {"span_differs": 1}),
    "EARLYEND": (176, {"span_differs": 1}),
    "NOFIRSTPRINT": (200, {"missing_print": 1}),
    # the hour written twice, where the later row of the file wins, and the one left empty;
    # between them the legs are an hour apart
    "CLOCKBACK": (
        199,
        {"basis_beyond_bound": 1, "conflicting_bars": 1, "missing_bars": 1, "price_jump": 1},
    ),
    # the hour that the clock skips, in both legs, or has twice; bars lie before the first print
    "SUMMERTIME": (200, {"missing_bars": 2, "missing_print": 1}),
    "WINTERTIME": (199, {"conflicting_bars": 2, "missing_print": 1}),
}


@pytest.mark.parametrize("case", CONSEQUENCES)
def test_each_fault_is_told(built: tuple, case: str) -> None:
    metrics = built[1][case]
    incidents = metrics["incidents"].copy()
    incidents.pop("beta_undefined", None)
    assert (metrics["sample"]["merged_bars"], incidents) == CONSEQUENCES[case]


def test_a_bar_without_its_last_raw_bar_does_not_exist(built: tuple) -> None:
    project, metrics = built
    clean, last, middle = (
        bars_of(project, case) for case in ("CLEAN", "LASTRAWBAR", "MIDDLERAWBAR")
    )
    assert set(clean.index) - set(last.index) == {TIMES[100].tz_localize(None)}
    assert metrics["LASTRAWBAR"]["sample"]["gap_bars"] == 1
    assert sorted(middle["raw_bars"].unique()) == [11, 12]


def test_a_volume_that_is_not_known_adds_none(built: tuple) -> None:
    volumes = bars_of(built[0], "INFINITEVOLUME")["volume"]
    assert sorted(volumes.unique()) == [11, 12]


def test_null_in_a_price_column_fails_but_a_missing_column_does_not(tmp_path: Path) -> None:
    macros = inputs.input_macros({})
    path = write_parquet(
        tmp_path / "spot_BTCUSDT.parquet",
        pd.DataFrame(
            {
                "timestamp": TIMES[:3],
                "open": [1.0, np.nan, 1.0],
                "close": 1.0,
            }
        ),
    )
    with duckdb.connect() as connection:
        columns = [
            {"name": row[0], "type": row[1]}
            for row in connection.execute(f"describe from '{path}'").fetchall()
        ]
        layouts = [{"files": [str(path)], "columns": columns}]
        select = inputs.model_sql(macros, "stg_spot_bars", input_layouts=lambda _: layouts)
        usable = connection.execute(f"select is_usable, high, source_row from ({select})")
        assert usable.fetchall() == [(True, None, 1), (False, None, 2), (True, None, 3)]
