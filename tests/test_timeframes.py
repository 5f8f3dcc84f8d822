"""Several timeframes in one build: one common span, and what is too short left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scripts import inputs
from scripts.project import InputError
from tests import reference
from tests.conftest import Project, write_parquet
from tests.test_reference import CASES, HOUR_MS, MINUTE_MS, TOLERANCE, make_series

SEVERAL = {"1h": HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS}
# 12h and 8h bars end together once a day
DAY_MS = 24 * HOUR_MS
WINDOWS = {"beta_window": "2d", "vol_window": "1d", "vol_target": 0.6}


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> Project:
    """A build of every case of test_reference at bar sizes that do not fit into each other."""
    project = new_project()
    for symbol in CASES:
        for leg, frame in make_series(symbol).items():
            write_parquet(project.root / "in" / f"{leg}_{symbol}.parquet", frame)
    project.build(
        spot="in/spot_*.parquet",
        perp="in/perp_*.parquet",
        funding="in/funding_*.parquet",
        timeframe=list(SEVERAL),
        fees_bps=2,
        **WINDOWS,
    )
    return project


def expected(symbol: str) -> dict[str, dict[str, dict]]:
    """Return the reference's figures of a symbol by timeframe, on the span that all share."""
    frames = make_series(symbol)
    spot, perp = (tuple(frames[leg].to_numpy().T) for leg in ("spot", "perp"))
    prints = [
        (round(ts / 1000) * 1000, rate) for ts, rate in frames["funding"].itertuples(index=False)
    ]
    ends, figures = {}, {}
    for name, length in SEVERAL.items():
        bars = reference.resample(*spot, length).keys() & reference.resample(*perp, length).keys()
        ends[name] = {ts + length for ts in bars}
    together = sorted(set.intersection(*ends.values()))

    def hedged(name: str, start_ms: int) -> dict[str, dict]:
        length = SEVERAL[name]
        strategies = reference.default_strategies(
            beta_window=2 * DAY_MS // length, vol_window=DAY_MS // length, vol_target=0.6
        )
        return reference.hedge(spot, perp, prints, length, 2, strategies, start_ms, together[-1])

    starts = []
    for name in SEVERAL:
        if alone := hedged(name, 0):
            first = alone["naive"]["ts"][0]
            decided = max(end for end in ends[name] if end <= first)
            starts.append(next(end for end in together if end >= decided))
    for name in SEVERAL:
        figures[name] = hedged(name, max(starts))
    return figures


@pytest.mark.parametrize("symbol", CASES)
def test_every_figure_equals_the_reference(built: Project, symbol: str) -> None:
    metrics = built.query(f"from hedge_metrics where symbol = '{symbol}'")
    metrics = metrics.set_index(["timeframe", "strategy"])
    compared = 0
    for timeframe, strategies in expected(symbol).items():
        for name, figures in strategies.items():
            for column in metrics.columns.drop("symbol"):
                assert metrics.loc[(timeframe, name), column] == pytest.approx(
                    figures[column], rel=TOLERANCE, abs=TOLERANCE, nan_ok=True
                ), (timeframe, name, column)
                compared += 1
    assert compared == metrics.size - len(metrics)


def test_all_begin_and_end_at_the_same_midnight(built: Project) -> None:
    spans = built.query(
        "select symbol, count(*) as timeframes, count(distinct end_ts) as ends,"
        " max(ts) as last_ts, min(ts) as first_ts"
        " from (select symbol, timeframe, max(end_ts) as end_ts, max(end_ts) as ts"
        "   from int_merged_bars where not is_next_bar group by all) group by symbol"
    )
    assert len(spans) == len(CASES)
    assert (spans["ends"] == 1).all()
    assert (spans["timeframes"] == len(SEVERAL)).all()
    ended = spans["last_ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    assert not (ended % DAY_MS).any()
    growth = built.query(
        "select max(total_return) - min(total_return) as differs from hedge_metrics"
        " where strategy = 'unhedged' group by symbol"
    )
    assert (growth["differs"] < 1e-12).all()


def test_the_dbt_test_of_the_common_span_fails_on_its_fault(built: Project) -> None:
    (path,) = (built.root / "target" / "compiled").rglob("timeframes_share_one_span.sql")
    sql = path.read_text()
    with duckdb.connect(str(built.database)) as connection:
        for fault in (
            # a timeframe that begins, or ends, a bar later or earlier
            "update int_samples set start_ts = start_ts + interval 1 hour where timeframe = '1h'",
            "update int_samples set end_ts = end_ts - interval 8 hours where timeframe = '8h'",
            "update int_merged_bars set r_spot = 2 * r_spot where timeframe = '12h'",
        ):
            connection.begin()
            assert connection.execute(sql).fetchall() == []
            connection.execute(fault)
            assert connection.execute(sql).fetchall() != [], fault
            connection.rollback()


def test_the_next_order_is_due_at_the_same_instant(built: Project) -> None:
    instants = built.query(
        "select symbol, count(distinct decision_ts) as instants from paper_rebalance_log"
        " where data_age_hours is not null group by symbol"
    )
    assert len(instants) == len(CASES)
    assert (instants["instants"] == 1).all()


def test_an_incident_of_a_ratio_names_the_timeframe(built: Project) -> None:
    held = built.query(
        "select distinct source from data_incidents"
        " where kind = 'beta_undefined' and symbol = 'RAGGEDUSDT'"
    )
    assert "rolling_ols at 1h" in set(held["source"])
    logged = built.query(
        "select count(*) as bars from paper_rebalance_log where symbol = 'RAGGEDUSDT'"
        " and timeframe = '1h' and status = 'held' and not contains(incident, 'beta_undefined')"
    )
    assert logged["bars"].item() == 0


def test_the_longest_bar_that_is_not_complete_is_told_once(built: Project) -> None:
    told = built.query(
        "select source, ts, ts_end from data_incidents"
        " where kind = 'incomplete_last_bar' and symbol = 'CLEANUSDT' order by source"
    )
    # 400 hours: the last 12 are missing 8
    assert told["source"].tolist() == ["perp", "spot"]
    assert (told["ts_end"] - told["ts"]).dt.total_seconds().tolist() == [4 * 3600] * 2


@pytest.mark.parametrize(("timeframe", "hours"), [("1h", 1), ("8h", 8), ("12h", 12)])
def test_legs_move_together_as_numpy_says(built: Project, timeframe: str, hours: int) -> None:
    rows = (
        built.query(
            "select ts, ts >= start_ts as is_evaluated, usable_r_spot as spot, usable_r_fut as perp"
            " from int_merged_bars join int_samples using (symbol, timeframe)"
            f" where symbol = 'HALTEDUSDT' and timeframe = '{timeframe}' and not is_next_bar"
        )
        .set_index("ts")
        .sort_index()
    )
    # the bar that ended when this one began, if there is one
    earlier = rows.reindex(rows.index - pd.Timedelta(hours=hours)).set_axis(rows.index)
    kept = rows["is_evaluated"] & rows["spot"].notna()
    pairs = rows[kept].join(earlier[["spot", "perp"]].add_suffix("_earlier"))
    difference = pairs["spot"] - pairs["perp"]
    earlier_difference = pairs["spot_earlier"] - pairs["perp_earlier"]
    assert pairs["spot_earlier"].notna().sum() < len(pairs) or timeframe != "1h"
    figures = (
        built.query(
            f"from leg_comovement where symbol = 'HALTEDUSDT' and timeframe = '{timeframe}'"
        )
        .iloc[0]
        .drop(["symbol", "timeframe"])
        .astype(float)
    )
    assert figures.to_dict() == pytest.approx(
        {
            "bars": len(pairs),
            "correlation": pairs["spot"].corr(pairs["perp"]),
            "correlation_spot_earlier": pairs["perp"].corr(pairs["spot_earlier"]),
            "correlation_perp_earlier": pairs["spot"].corr(pairs["perp_earlier"]),
            "spot_bps": 1e4 * pairs["spot"].std(),
            "difference_bps": 1e4 * difference.std(),
            "difference_autocorrelation": difference.corr(earlier_difference),
        },
        rel=TOLERANCE,
    )


@pytest.fixture(scope="module")
def too_short(new_project: Callable[[], Project]) -> tuple[Project, str, dict[str, Path]]:
    """A run whose windows are rows: 24 of 12h are more than there is. Project, stderr, folders."""
    project = new_project()
    for leg, frame in make_series("CLEANUSDT").items():
        # 200 hours of raw bars
        write_parquet(project.root / f"{leg}_CLEANUSDT.parquet", frame.iloc[: 4 * 200])
    done = project.run(
        *(item for leg in inputs.LEGS for item in (f"--{leg}", f"{leg}_CLEANUSDT.parquet")),
        "--timeframe",
        "12h",
        "1h,4h",
        "1h",
        "--beta_window",
        24,
        "--vol_window",
        6,
        "--out",
        "out",
    )
    assert done.returncode == 0, done.stderr
    folders = [project.root / line for line in done.stdout.splitlines()]
    return project, done.stderr, {folder.parent.name: folder for folder in folders}


def test_a_timeframe_that_is_too_short_is_an_incident(too_short: tuple) -> None:
    project, stderr, folders = too_short
    assert list(folders) == ["1h", "4h"]
    assert "CLEANUSDT at 12h is not evaluated:" in stderr
    left_out = project.query(
        "select source, severity, affected from data_incidents where kind = 'not_evaluated'"
    )
    assert left_out.to_dict("records") == [{"source": "12h", "severity": "warn", "affected": 16}]
    # the others wait for no one: 24 returns of 4h after the first bar, to the next noon
    spans = project.query("select timeframe, start_ts from int_samples").set_index("timeframe")
    assert {name: str(ts) for name, ts in spans["start_ts"].items()} == {
        "1h": "2025-03-05 12:00:00",
        "4h": "2025-03-05 12:00:00",
        "12h": "NaT",
    }


def test_each_timeframe_has_a_folder_with_the_plot_of_all(too_short: tuple) -> None:
    _, _, folders = too_short
    for timeframe, folder in folders.items():
        metrics = json.loads((folder / "metrics.json").read_text())
        assert metrics["timeframe"] == timeframe
        assert (folder / "effectiveness_by_timeframe.png").stat().st_size > 10_000
        assert (folder.parent / "latest").resolve() == folder
        dbt_vars = json.loads((folder / "metadata.json").read_text())["dbt_vars"]
        assert (dbt_vars["beta_window"], dbt_vars["vol_window"]) == (24, 6)


def rendered(**given: object) -> object:
    """Return the macros with some vars given."""
    return inputs.input_macros(given)


@pytest.mark.parametrize(
    ("given", "built"),
    [
        ("1h", ["1h"]),
        ("5m,1h", ["5m", "1h"]),
        ("1d, 4h  1h", ["1d", "4h", "1h"]),
        (["1h", "1h", "5m"], ["1h", "5m"]),
    ],
)
def test_one_or_several_timeframes(given: object, built: list[str]) -> None:
    assert json.loads(rendered(timeframe=given).built_timeframes()) == built


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "timeframe is : use one or more of 1m"),
        ([], "timeframe is []: use one or more"),
        (["1h", "2d"], "timeframe 2d is not known: use one of 1m"),
        (60, "timeframe is 60: use"),
        ("1h,1w", "timeframe 1w is not known"),
        (None, "timeframe is None: use one or more"),
    ],
)
def test_timeframes_that_make_no_sense(given: object, words: str) -> None:
    with pytest.raises(InputError) as refused:
        rendered(timeframe=given).built_timeframes()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("given", "minutes"),
    [
        ("1m", 1),
        ("5m 3m", 24 * 60),
        ("1h 5m", 60),
        ("8h 12h", 24 * 60),
        ("1h 30m 2h", 120),
        ("1d 5m 6h", 24 * 60),
    ],
)
def test_bars_of_all_end_together_after_a_multiple_of_each(given: str, minutes: int) -> None:
    macros = rendered(timeframe=given)
    step, lengths = int(macros.common_step_ms()), json.loads(macros.timeframes_ms())
    assert step == minutes * MINUTE_MS
    assert not any(step % lengths[name] for name in given.split())


def test_windows_are_durations_where_several_timeframes_are_built() -> None:
    assert rendered(timeframe="1h").window_var("beta_window") == "720"
    assert rendered(timeframe="1h,4h").window_var("beta_window") == "30d"
    assert rendered(timeframe="1h,4h").window_var("vol_window") == "30d"
    assert rendered(timeframe="1h,4h", beta_window=720).window_var("beta_window") == "720"
    assert rendered(timeframe="1h,4h").rows_of_var("beta_window", "4h") == "180"
