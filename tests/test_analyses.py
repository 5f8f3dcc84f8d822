"""The analyses: each runs as it is in the DuckDB client, and its figures are pandas' own."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, Project

DUCKDB = Path(sys.executable).parent / "duckdb"
FILES = sorted((ROOT / "analyses").glob("*.sql"))


@pytest.fixture(scope="module")
def project(sample_project: tuple[Project, Path]) -> Project:
    return sample_project[0]


def run(project: Project, name: str, *options: str) -> str:
    """Return what the client prints for an analysis, in the project's folder."""
    done = subprocess.run(
        [DUCKDB, "-readonly", *options, project.database, "-f", f"analyses/{name}.sql"],
        cwd=project.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(project: Project, name: str) -> pd.DataFrame:
    """Return the rows of an analysis."""
    rows = pd.read_csv(io.StringIO(run(project, name, "-csv")))
    for column in rows.columns[rows.columns.str.endswith("_ts")]:
        rows[column] = pd.to_datetime(rows[column])
    assert (rows["symbol"] == "BTCUSDT").all()
    return rows


def bars_of(project: Project) -> dict[str, pd.DataFrame]:
    """Return the evaluated bars of each strategy, with the spot notional before each."""
    rows = project.query(
        "select *, spot_before / first(spot_before order by ts) over ("
        "  partition by strategy order by ts rows between unbounded preceding"
        "  and unbounded following) as notional"
        " from returns_decomposed join ("
        "  select ts, lag(close_spot) over (order by ts) as spot_before from prices_merged"
        ") using (ts) order by strategy, ts"
    )
    return {name: bars.set_index("ts") for name, bars in rows.groupby("strategy")}


@pytest.fixture(scope="module")
def prints(project: Project) -> pd.DataFrame:
    return project.query("select ts, funding_rate from int_funding_prints order by ts")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_each_states_its_question_and_caveats_and_fits_a_terminal(
    project: Project, path: Path
) -> None:
    listed = yaml.safe_load((ROOT / "analyses" / "_analyses.yml").read_text())["analyses"]
    questions = {analysis["name"]: analysis["description"] for analysis in listed}
    assert set(questions) == {path.stem for path in FILES}
    text = path.read_text()
    assert text.splitlines()[0] == f"-- {questions[path.stem]}"
    assert "\n-- Caveats: " in text
    box = run(project, path.stem).splitlines()
    assert len(box) > 5
    assert max(map(len, box)) <= 120


def test_both_end_level_at_the_break_even_fee(project: Project) -> None:
    found = answer(project, "break_even_fee").set_index("strategy")
    bars = bars_of(project)
    assert set(found.index) == set(bars) - {"unhedged"}
    gross = {
        name: (each["r_spot"] + each["r_hedge"] + each["r_funding"]).sum()
        for name, each in bars.items()
    }
    traded = {name: each["trade"].abs().sum() for name, each in bars.items()}
    for name, row in found.iterrows():
        gain = gross[name] - gross["naive_hold"]
        extra = traded[name] - traded["naive_hold"]
        assert row["gain"] == pytest.approx(gain, abs=6e-7)
        assert row["extra_turnover"] == pytest.approx(extra, abs=6e-4)
        assert row["volatility"] == pytest.approx(bars[name]["r_net"].std() * 8760**0.5, abs=6e-5)
        # rounded to a thousandth of a basis point
        levelled = gain - row["break_even_bps"] / 1e4 * extra
        assert {
            "benchmark": name == "naive_hold",
            "trades no more": extra <= 0,
            "loses even for free": gain <= 0 < extra,
            "pays below": abs(levelled) <= 6e-8 * extra,
        }[row["answer"]], name
        assert np.isnan(levelled) == (row["answer"] != "pays below")
    assert {"benchmark", "pays below"} <= set(found["answer"])


def test_collateral_is_that_of_the_metrics_and_funding_repays_in_time(project: Project) -> None:
    found = answer(project, "collateral").set_index("strategy")
    metrics = project.query("from hedge_metrics").set_index("strategy")
    np.testing.assert_allclose(
        found["collateral"], -metrics.loc[found.index, "perp_pnl_low"], atol=6e-7
    )
    for name, bars in bars_of(project).items():
        row = found.loc[name]
        if name == "unhedged":
            assert row[["needed_ts", "repaid_days"]].isna().all()
            continue
        hour = pd.Timedelta(hours=1)
        assert row["needed_ts"] == (bars["notional"] * bars["r_hedge"]).cumsum().idxmin() + hour
        entry_cost = -bars["r_fees"].iloc[0]
        assert row["entry_cost"] == pytest.approx(entry_cost, abs=6e-7)
        received = (bars["notional"] * bars["r_funding"]).cumsum()
        repaid = received.index[received >= entry_cost][0] + hour
        assert row["repaid_days"] == pytest.approx(
            (repaid - bars.index[0]) / pd.Timedelta(days=1), abs=6e-3
        )


def test_an_entry_in_each_month_is_a_walk_from_there(project: Project) -> None:
    found = answer(project, "entry_months")
    bars = bars_of(project)["naive_hold"]
    rates = project.query("select ts, funding_rate from prices_merged").set_index("ts")
    rates = rates["funding_rate"].loc[bars.index]
    firsts = bars.groupby(bars.index.to_period("M")).head(1).index
    assert list(found["entry_ts"]) == list(firsts)
    for row, first in zip(found.itertuples(), firsts, strict=True):
        later = bars[first:]
        # a ratio of 1 at the entry, that drifts with both prices
        growth = (1 + later["r_fut"]) / (1 + later["r_spot"])
        ratio = growth.cumprod().shift(fill_value=1)
        notional = later["notional"] / later["notional"].iloc[0]
        basis = (notional * (later["r_spot"] - ratio * later["r_fut"])).sum()
        funding = (notional * ratio * rates[first:]).sum()
        assert (row.basis, row.funding) == pytest.approx((basis, funding), abs=6e-7)
        assert row.cost == 1e-4
        assert row.pnl_frac == pytest.approx(basis + funding - 1e-4, abs=6e-7)
        days = (bars.index[-1] + pd.Timedelta(hours=1) - first) / pd.Timedelta(days=1)
        assert row.days == pytest.approx(days, abs=0.06)
        assert row.pnl_per_year == pytest.approx((basis + funding - 1e-4) * 365 / days, abs=6e-5)
    held = project.query("select pnl_frac from hedge_metrics where strategy = 'naive_hold'")
    assert found["pnl_frac"].iloc[0] == pytest.approx(held["pnl_frac"].item(), abs=6e-7)


def test_streaks_are_the_runs_of_negative_prints(project: Project, prints: pd.DataFrame) -> None:
    found = answer(project, "funding_streaks")
    runs = [
        list(run)
        for is_paid, run in itertools.groupby(prints.itertuples(), lambda row: row.funding_rate < 0)
        if is_paid
    ]
    assert len(runs) > 10
    assert (found["streaks"] == len(runs)).all()
    np.testing.assert_allclose(found["paid_share"], (prints["funding_rate"] < 0).mean(), atol=6e-5)
    cost = sorted(runs, key=lambda run: sum(row.funding_rate for row in run))
    assert len(found) == 10
    for place, (row, run) in enumerate(zip(found.itertuples(), cost[:10], strict=True), 1):
        assert (row.place, row.first_ts, row.prints) == (place, run[0].ts, len(run))
        assert row.end_ts == run[-1].ts + pd.Timedelta(hours=8)
        assert row.days == pytest.approx(len(run) / 3, abs=6e-3)
        assert row.funding == pytest.approx(sum(each.funding_rate for each in run), abs=6e-7)


def test_persistence_is_the_autocorrelation_of_prints(
    project: Project, prints: pd.DataFrame
) -> None:
    found = answer(project, "funding_persistence")
    rates = prints["funding_rate"]
    assert list(found["lag_prints"]) == [1, 2, 3, 6, 9, 21, 42, 90]
    for row in found.itertuples():
        lag = row.lag_prints
        assert (row.pairs, row.lag_days) == (len(rates) - lag, round(lag / 3, 2))
        correlation = rates.autocorr(lag)
        assert row.correlation == pytest.approx(correlation, abs=6e-5)
        before = rates.shift(lag).dropna()
        assert row.same_sign == pytest.approx(
            (np.sign(rates[lag:]) == np.sign(before)).mean(), abs=6e-5
        )
        expected = rates.mean() + correlation * (rates.iloc[-1] - rates.mean())
        assert row.expected_rate == pytest.approx(expected, abs=6e-9)
        # entry and exit at 1 bp each, three prints a day
        assert row.break_even_days == pytest.approx(2e-4 / (3 * expected), abs=6e-3)


def test_shares_of_the_noise_are_those_of_pandas(project: Project) -> None:
    found = answer(project, "basis_noise_by_hour")
    bars = bars_of(project)["naive"]
    gaps = project.query("select ts from prices_merged where is_gap")["ts"]
    assert bars.index.isin(gaps).any()
    bars = bars[~bars.index.isin(gaps)]
    difference = bars["r_spot"] - bars["r_fut"]
    squares = (difference - difference.mean()) ** 2
    for kind, slots in (("hour", bars.index.hour), ("weekday", bars.index.day_of_week + 1)):
        rows = found[found["slot_kind"] == kind].set_index("slot")
        assert len(rows) == len(set(slots))
        assert rows["times_even"].is_monotonic_decreasing
        assert rows["share"].sum() == pytest.approx(1, abs=24 * 6e-5)
        noise = difference.groupby(slots).std().loc[rows.index]
        np.testing.assert_allclose(rows["noise_bps"], 1e4 * noise, atol=6e-4)
        share = (squares.groupby(slots).sum() / squares.sum()).loc[rows.index]
        np.testing.assert_allclose(rows["share"], share, atol=6e-5)
        bars_of_slot = squares.groupby(slots).size().loc[rows.index]
        assert (rows["bars"] == bars_of_slot).all()
        np.testing.assert_allclose(rows["times_even"], share * len(bars) / bars_of_slot, atol=6e-4)
