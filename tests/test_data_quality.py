"""The ledger of incidents and the coverage: a symbol for each fault, all in one build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from scripts.summary import summary
from tests.conftest import Project, read_metrics, write_parquet

HOURS = 240
START = pd.Timestamp("2025-01-25", tz="UTC")
TIMES = pd.date_range(START, periods=12 * HOURS, freq="5min")
# two minutes into the last bar of an hour, of one case; long after those of all others
AS_OF = START + pd.Timedelta("100D 7h 57min")
# ten quiet minutes in the middle of an hour, well after the warm-up
SOME_BAR = 12 * 120 + 6


class Legs(NamedTuple):
    """The three inputs of a symbol."""

    spot: pd.DataFrame
    perp: pd.DataFrame
    funding: pd.DataFrame


class Expected(NamedTuple):
    """An incident as it should stand in the ledger; times are raw bars or hours after START."""

    source: str
    kind: str
    severity: str
    ts: pd.Timestamp
    ts_end: pd.Timestamp
    affected: int


def bars(close: np.ndarray, tick: int) -> pd.DataFrame:
    """Return 5m bars around closes, rounded to a tick."""
    close = np.round(close, tick)
    opens = np.concatenate([close[:1], close[:-1]])
    return pd.DataFrame(
        {
            "timestamp": TIMES,
            "open": opens,
            "high": np.maximum(opens, close) * 1.0001,
            "low": np.minimum(opens, close) * 0.9999,
            "close": close,
            "volume": 5.0,
        }
    )


def prints(every: str = "8h", rate: float = 1e-4) -> pd.DataFrame:
    """Return funding prints over the whole time."""
    times = pd.date_range(START, TIMES[-1], freq=every)
    return pd.DataFrame({"timestamp": times, "funding_rate": rate})


def clean() -> Legs:
    """Return legs that nothing is wrong with: 0.1 % a bar, a basis of a few basis points."""
    random = np.random.default_rng(11)
    spot = 50_000 * np.exp(np.cumsum(0.001 * random.standard_normal(len(TIMES))))
    basis = 2e-4 + 1e-4 * random.standard_normal(len(TIMES))
    return Legs(bars(spot, tick=2), bars(spot * (1 + basis), tick=1), prints())


def bar(place: int) -> pd.Timestamp:
    """Return the open time of a raw bar."""
    return (START + place * pd.Timedelta("5min")).tz_localize(None)


def hour(hours: float) -> pd.Timestamp:
    """Return a time so many hours after the start."""
    return (START + pd.Timedelta(hours=hours)).tz_localize(None)


def scaled(frame: pd.DataFrame, first: int, factors: np.ndarray) -> pd.DataFrame:
    """Return bars with the prices of some multiplied; each keeps its order within the bar."""
    frame = frame.copy()
    rows = frame.index[first : first + len(factors)]
    for name in ("open", "high", "low", "close"):
        frame.loc[rows, name] *= factors
    return frame


def faulty(case: str) -> tuple[Legs, list[Expected]]:
    """Return the inputs of a case, and what the ledger should say of them."""
    legs = clean()
    spot, perp, funding = legs
    some = SOME_BAR
    match case:
        case "CLEAN":
            return legs, []
        case "HALT":  # two hours without a bar in either leg
            holes = slice(1200, 1224)
            return Legs(spot.drop(spot.index[holes]), perp.drop(perp.index[holes]), funding), [
                Expected(leg, "missing_bars", "warn", bar(1200), bar(1224), 24)
                for leg in ("perp", "spot")
            ]
        case "DUPLICATE":  # a block written twice
            return legs._replace(spot=pd.concat([spot, spot[some : some + 5]])), [
                Expected("spot", "duplicate_bars", "info", bar(some), bar(some + 5), 5)
            ]
        case "CONFLICT":
            other = spot[some : some + 3].assign(volume=6.0)
            return legs._replace(spot=pd.concat([spot, other])), [
                Expected("spot", "conflicting_bars", "warn", bar(some), bar(some + 3), 3)
            ]
        case "FLAT":  # candles that the exchange filled in; less than a volatile hour
            still = perp.copy()
            rows = still.index[some : some + 3]
            still.loc[rows, ["open", "high", "low", "close"]] = still["close"][some - 1]
            still.loc[rows, "volume"] = 0
            return legs._replace(perp=still), [
                Expected("perp", "flat_bars", "info", bar(some), bar(some + 3), 3)
            ]
        case "CROSSED":  # a close that was changed by hand
            crossed = spot.copy()
            crossed.loc[some, "close"] = crossed["high"][some] * 1.001
            return legs._replace(spot=crossed), [
                Expected("spot", "crossed_prices", "warn", bar(some), bar(some + 1), 1)
            ]
        case "SPOTJUMP":  # a false price, up and back
            return legs._replace(spot=scaled(spot, some, np.array([1.05]))), [
                Expected("perp", "basis_beyond_bound", "warn", bar(some), bar(some + 1), 1),
                Expected("spot", "price_jump", "warn", bar(some), bar(some + 2), 2),
            ]
        case "PERPJUMP":
            return legs._replace(perp=scaled(perp, some, np.array([0.97]))), [
                Expected("perp", "basis_beyond_bound", "warn", bar(some), bar(some + 1), 1),
                Expected("perp", "price_jump", "warn", bar(some), bar(some + 2), 2),
            ]
        case "SHAREDJUMP":  # a crash of both legs is no fault
            fall = np.full(len(TIMES) - some, 0.9)
            return Legs(scaled(spot, some, fall), scaled(perp, some, fall), funding), []
        case "WIDE":  # the basis drifts to 150 bp and back, half of that a bar
            drift = 1 + np.concatenate([[0.0075], np.full(30, 0.015), [0.0075]])
            return legs._replace(perp=scaled(perp, some, drift)), [
                Expected("perp", "basis_beyond_bound", "warn", bar(some + 1), bar(some + 31), 30)
            ]
        case "COPIED":  # five hours of spot prices in the perp's file
            copied = perp.copy()
            rows = copied.index[some : some + 60]
            copied.loc[rows, ["open", "high", "low", "close"]] = spot.loc[
                rows, ["open", "high", "low", "close"]
            ]
            return legs._replace(perp=copied), [
                Expected("perp", "perp_equals_spot", "warn", bar(some), bar(some + 60), 60)
            ]
        case "COARSE":  # ticks so wide that the closes are often equal by chance
            close = 0.01 + 1e-4 * np.random.default_rng(5).integers(0, 4, len(TIMES))
            noise = 1e-4 * (np.random.default_rng(6).random(len(TIMES)) < 0.3)
            return Legs(bars(close, tick=4), bars(close + noise, tick=4), funding), [
                Expected("perp", "basis_beyond_bound", "warn", pd.NaT, pd.NaT, -1),
                Expected("perp", "price_jump", "warn", pd.NaT, pd.NaT, -1),
            ]
        case "NOPRINT":  # one of the 8h prints is missing
            return legs._replace(funding=funding.drop(10)), [
                Expected("funding", "missing_print", "warn", hour(80), hour(88), 8)
            ]
        case "NOFIRSTPRINT":
            return legs._replace(funding=funding.drop(0)), [
                # the first bar has no return: time counts from its end
                Expected("funding", "missing_print", "warn", hour(1), hour(8), 7)
            ]
        case "SKIPPED":  # at 4h, the print before fills the time
            return legs._replace(funding=prints("4h").drop(30)), [
                Expected("funding", "missing_print", "warn", hour(120), hour(124), 1)
            ]
        case "LATEPRINT":
            late = funding.copy()
            late.loc[12, "timestamp"] += pd.Timedelta("40min")
            return legs._replace(funding=late), [
                # the print before accrues for 8 hours, and nothing does until this one
                Expected("funding", "late_print", "warn", hour(96 + 2 / 3), hour(104), 1),
                Expected("funding", "missing_print", "warn", hour(96), hour(96 + 2 / 3), 1),
            ]
        case "JITTER":  # as exchanges stamp them
            return legs._replace(
                funding=funding.assign(timestamp=funding["timestamp"] + pd.Timedelta("15ms"))
            ), []
        case "INTERVALS":  # 8h, then 4h, then every hour
            times = [
                *pd.date_range(START, periods=10, freq="8h"),
                *pd.date_range(hour(80), periods=10, freq="4h", tz="UTC"),
                *pd.date_range(hour(120), periods=120, freq="1h", tz="UTC"),
            ]
            changed = pd.DataFrame({"timestamp": times, "funding_rate": 1e-5})
            return legs._replace(funding=changed), [
                Expected("funding", "interval_change", "info", hour(80), hour(84), 1),
                Expected("funding", "interval_change", "info", hour(120), hour(121), 1),
            ]
        case "SQUEEZE":
            squeeze = funding.copy()
            squeeze.loc[9:10, "funding_rate"] = -0.008
            return legs._replace(funding=squeeze), [
                Expected("funding", "rate_beyond_bound", "warn", hour(72), hour(88), 2)
            ]
        case "SHORTPERP":
            return legs._replace(perp=perp[:-60], funding=funding), [
                Expected("spot", "span_differs", "info", bar(2820), bar(2880), 60)
            ]
        case "LASTBAR":  # the data end at half past
            return Legs(spot[:-6], perp[:-6], funding), [
                Expected(leg, "incomplete_last_bar", "info", hour(239), hour(239.5), 1)
                for leg in ("perp", "spot")
            ]
        case "UNITS":  # as Binance's spot dumps: ms, and µs from some day on
            ms = spot["timestamp"].astype("datetime64[ms, UTC]").astype("int64")
            units = spot.assign(timestamp=np.where(spot.index < some, ms, 1000 * ms))
            return legs._replace(spot=units), [
                Expected("spot", "time_unit_switched", "info", bar(some), bar(some), 2880 - some)
            ]
        case "RUNNING":  # the last candle is not over
            ahead = AS_OF - TIMES[-1] - pd.Timedelta("2min")
            last = (TIMES[-1] + ahead).tz_localize(None)
            return Legs(*(frame.assign(timestamp=frame["timestamp"] + ahead) for frame in legs)), [
                Expected(
                    leg,
                    "incomplete_last_bar",
                    "warn",
                    last.floor("h"),
                    last + pd.Timedelta("5min"),
                    1,
                )
                for leg in ("perp", "spot")
            ]
    raise ValueError(case)


CASES = [
    "CLEAN",
    "HALT",
    "DUPLICATE",
    "CONFLICT",
    "FLAT",
    "CROSSED",
    "SPOTJUMP",
    "PERPJUMP",
    "SHAREDJUMP",
    "WIDE",
    "COPIED",
    "COARSE",
    "NOPRINT",
    "NOFIRSTPRINT",
    "SKIPPED",
    "LATEPRINT",
    "JITTER",
    "INTERVALS",
    "SQUEEZE",
    "SHORTPERP",
    "LASTBAR",
    "UNITS",
    "RUNNING",
]


def write(project: Project, cases: dict[str, Legs]) -> dict[str, object]:
    """Write each case's files under its name; return the vars that build on all."""
    for case, legs in cases.items():
        for leg, frame in zip(legs._fields, legs, strict=True):
            write_parquet(project.root / "in" / f"{leg}_{case}.parquet", frame.assign(symbol=case))
    return {leg: f"in/{leg}_*" for leg in Legs._fields} | {"beta_window": 20, "vol_window": 10}


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> tuple[Project, dict[str, list[Expected]]]:
    """One build of every case, and what its ledger should say of each."""
    project = new_project()
    made = {case: faulty(case) for case in CASES}
    files = write(project, {case: legs for case, (legs, _) in made.items()})
    project.build(**files, as_of=AS_OF.isoformat())
    return project, {case: expected for case, (_, expected) in made.items()}


def incidents(project: Project, case: str) -> pd.DataFrame:
    """Return the ledger of a symbol, what follows for the ratios left out."""
    return project.query(
        f"select source, kind, severity, ts, ts_end, affected, detail from data_incidents"
        f" where symbol = '{case}' and kind <> 'beta_undefined' order by source, kind, ts"
    )


@pytest.mark.parametrize("case", [case for case in CASES if case != "COARSE"])
def test_the_ledger_says_this_and_nothing_else(built: tuple, case: str) -> None:
    project, expected = built
    found = incidents(project, case).drop(columns="detail")
    wanted = sorted(expected[case], key=lambda one: (one.source, one.kind, one.ts))
    assert [Expected(*row) for row in found.itertuples(index=False)] == wanted


def test_closes_that_are_often_equal_by_chance_are_no_contamination(built: tuple) -> None:
    project, _ = built
    assert "perp_equals_spot" not in set(incidents(project, "COARSE")["kind"])
    equal = project.query(
        "select avg((close_spot = close_perp)::int) as share from prices_merged"
        " where symbol = 'COARSE'"
    )["share"].item()
    assert equal > 0.6


DETAILS = {
    "HALT": "perp: 24 raw bars missing: a halt, or a hole in the file",
    "CROSSED": "spot: 1 raw bar with an open or close outside its high and low: a price that was"
    " changed later",
    "SKIPPED": "funding: 1 print of every 4 hours missing: the one before accrued over its time",
    "SQUEEZE": "funding: 2 prints beyond 0.5 % a print, at most -0.8 %: a squeeze, or rates in"
    " percent instead of fractions",
    "LATEPRINT": "funding: 1 print stamped up to 40.0 minutes after the full hour: funding"
    " accrues from there",
    "INTERVALS": "funding: prints came every 8 hours before, and every 4 hours from here",
    "LASTBAR": "perp: the data end at 2025-02-03 23:30, within the bar of 2025-02-03 23:00: it is"
    " left out",
    "COPIED": "perp: 60 raw bars in a row closed at the very price of spot, longer than chance"
    " allows (2.08 % of the bars in such runs): the file seems to hold spot prices",
    "UNITS": "spot: 1434 rows with times in us after ms: each time was read in its own unit",
}


@pytest.mark.parametrize("case", DETAILS)
def test_the_detail_is_one_plain_sentence_with_the_numbers(built: tuple, case: str) -> None:
    assert incidents(built[0], case)["detail"][0] == DETAILS[case]


def test_a_jump_is_told_with_both_moves(built: tuple) -> None:
    (jump,) = incidents(built[0], "SPOTJUMP").query("kind == 'price_jump'")["detail"]
    assert jump.startswith("spot: 2 raw bars moved by more than 100 bp away from the other leg;")
    assert "bp and spot " in jump


def test_each_touched_bar_is_marked_in_the_log(built: tuple) -> None:
    marked = built[0].query(
        "select decision_ts, incident from paper_rebalance_log"
        " where symbol = 'PERPJUMP' and incident is not null"
    )
    # the jump lies within the hour that follows the decision at its start
    assert marked.values.tolist() == [[hour(120), "basis_beyond_bound,price_jump"]]


def test_the_summary_and_the_metrics_count_the_incidents(
    sample_project: tuple[Project, Path],
) -> None:
    _, folder = sample_project
    assert read_metrics(folder)["incidents"] == {"missing_bars": 1, "missing_print": 1}
    assert "Data incidents: missing_bars 1, missing_print 1\n" in summary(folder)


def test_coverage_counts_what_is_there(built: tuple) -> None:
    coverage = (
        built[0]
        .query(
            "select symbol, source, strftime(month, '%Y-%m') as month, bars_expected, bars_present,"
            " prints_expected, prints_present, share from coverage"
        )
        .set_index(["symbol", "source", "month"])
        .sort_index()
    )
    january, february = 7 * 288, 3 * 288
    clean_spot = coverage.loc["CLEAN", "spot"]
    assert clean_spot["bars_expected"].tolist() == [january, february]
    assert clean_spot["bars_present"].tolist() == [january, february]
    assert coverage.loc["CLEAN", "funding"]["prints_expected"].tolist() == [21, 9]
    assert (coverage.loc["CLEAN"]["share"] == 1).all()

    halted = coverage.loc["HALT", "perp", "2025-01"]
    assert (halted["bars_expected"], halted["bars_present"]) == (january, january - 24)
    assert halted["share"] == pytest.approx(1 - 24 / january)
    assert coverage.loc["SHORTPERP", "perp", "2025-02"]["bars_present"] == february - 60
    assert coverage.loc["SHORTPERP", "spot", "2025-02"]["share"] == 1
    assert coverage.loc["UNITS", "spot"]["share"].tolist() == [1, 1]

    for case in ("NOPRINT", "NOFIRSTPRINT"):
        missing = coverage.loc[case, "funding", "2025-01"]
        assert (missing["prints_expected"], missing["prints_present"]) == (21, 20), case
    assert coverage.loc["SKIPPED", "funding"]["prints_expected"].tolist() == [42, 18]
    assert coverage.loc["SKIPPED", "funding"]["prints_present"].tolist() == [41, 18]
    # 10 of 8h to 80h, 10 of 4h to 120h, 48 hourly ones to the end of January at 168h, then 72
    assert coverage.loc["INTERVALS", "funding"]["prints_expected"].tolist() == [68, 72]


# what makes figures wrong: the run fails
ERRORS = {
    "NEGATIVE": "unusable_price",
    "NULLPRICE": "unusable_price",
    "NORATE": "unusable_rate",
    "EXCHANGED": "crossed_prices",
    "THOUSAND": "price_levels_differ",
    "ALLCOPIED": "perp_equals_spot",
}


def wrong(case: str) -> Legs:
    """Return the inputs of a case that no figure should be drawn from."""
    legs = clean()
    spot, perp, funding = (frame.copy() for frame in legs)
    match case:
        case "NEGATIVE":
            spot.loc[SOME_BAR, "close"] = -1.0
        case "NULLPRICE":
            perp.loc[SOME_BAR, "close"] = np.nan
        case "NORATE":
            funding.loc[7, "funding_rate"] = np.inf
        case "EXCHANGED":
            spot = spot.rename(columns={"high": "low", "low": "high"})
        case "THOUSAND":  # a contract of 1000 coins
            perp = scaled(perp, 0, np.full(len(TIMES), 1000.0))
        case "ALLCOPIED":
            perp = spot
    return Legs(spot, perp, funding)


def test_errors_fail_the_run_and_are_named(new_project: Callable[[], Project]) -> None:
    project = new_project()
    dbt_vars = write(project, {case: wrong(case) for case in ERRORS})
    arguments = [item for name, value in dbt_vars.items() for item in (f"--{name}", value)]
    done = project.run(*arguments, "--out", "out")
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert f"test no_incident_is_an_error failed with {len(ERRORS)} row(s)" in done.stderr
    assert not (project.root / "out").exists()
    project.database = project.root / "data" / "hedge.failed.duckdb"
    errors = project.query("select symbol, kind from data_incidents where severity = 'error'")
    assert dict(errors.itertuples(index=False)) == ERRORS
    (level,) = incidents(project, "THOUSAND").query("severity == 'error'")["detail"]
    assert "in the mean 1000" in level
    assert "contract size" in level
