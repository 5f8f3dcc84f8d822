"""The questions that a built database answers: each runs, and says what the rows say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Project

DUCKDB = Path(sys.executable).parent / "duckdb"


@pytest.fixture(scope="module")
def project(sample_project: tuple[Project, Path]) -> Project:
    return sample_project[0]


def test_help_lists_questions_and_tables_and_every_example_runs(project: Project) -> None:
    listed = project.query("from hedge_help()")
    marts = project.query(
        "select table_name from duckdb_tables() where schema_name = 'main'"
        " and not starts_with(table_name, 'int_') and not starts_with(table_name, 'plot_')"
    )
    assert set(listed[listed["kind"] == "table"]["name"]) == set(marts["table_name"])
    assert (listed["kind"] == "question").sum() == 5
    assert listed["what"].str.len().min() > 20
    done = subprocess.run(
        [DUCKDB, "-readonly", "-csv", project.database, "-c", ";".join(listed["example"])],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    for example in listed["example"]:
        if not example.startswith("from data_incidents"):  # the sample has none
            assert len(project.query(example)), example


def test_what_if_the_fees_are_those_there_are(project: Project) -> None:
    metrics = project.query("from hedge_metrics").set_index("strategy")
    found = project.query("from what_if(1)").set_index("strategy")
    for column in ("variance_reduction", "sharpe", "total_return", "fees"):
        np.testing.assert_allclose(
            found.loc[metrics.index, column], metrics[column], rtol=1e-9, atol=1e-12
        )


def test_what_if_fees_are_others(project: Project) -> None:
    rows = project.query(
        "select strategy, r_spot, r_hedge, r_funding, trade from returns_decomposed"
    )
    found = project.query("from what_if(7.5)").set_index("strategy")
    for name, bars in rows.groupby("strategy"):
        cost = 7.5e-4 * bars["trade"].abs()
        net = bars["r_spot"] + bars["r_hedge"] + bars["r_funding"] - cost
        assert found.loc[name, "fees"] == pytest.approx(-cost.sum())
        assert found.loc[name, "total_return"] == pytest.approx((1 + net).prod() - 1)
        assert found.loc[name, "sharpe"] == pytest.approx(net.mean() / net.std() * 8760 ** 0.5)


def test_the_worst_drawdown_is_that_of_the_metrics(project: Project) -> None:
    metrics = project.query("from hedge_metrics").set_index("strategy")["max_drawdown"]
    falls = project.query("from worst_drawdowns(n := 4)")
    worst = falls[falls["place"] == 1].set_index("strategy")["drawdown"]
    np.testing.assert_allclose(worst[metrics.index], metrics, rtol=1e-12)
    assert falls.groupby("strategy").size().max() == 4
    rows = project.query("select ts, drawdown from returns_decomposed where strategy = 'naive'")
    rows = rows.set_index("ts")["drawdown"].sort_index()
    for fall in falls[falls["strategy"] == "naive"].itertuples():
        spell = rows[fall.first_ts:fall.last_ts]
        assert (spell < 0).all()
        assert (len(spell), spell.min()) == (fall.bars, fall.drawdown)
        assert spell.idxmin() == fall.lowest_ts
        after = rows[fall.last_ts:].iloc[1:]
        assert fall.is_made_up == (len(after) > 0)
        assert after.empty or after.iloc[0] == 0


@pytest.mark.parametrize(
    ("moment", "decided"),
    [("2025-06-01 12:00", "2025-06-01 12:00"), ("2025-06-01 12:59:59", "2025-06-01 12:00"),
     ("2030-01-01", "2026-01-01 00:00")],
)
def test_the_order_in_force(project: Project, moment: str, decided: str) -> None:
    (row,) = project.query(f"from hedge_on('{moment}')").to_dict("records")
    assert str(row["decision_ts"])[:16] == decided
    assert project.query("from hedge_on('2020-01-01')").empty


def test_compared_strategies_stand_with_their_intervals(project: Project) -> None:
    found = project.query("from compare_strategies()")
    assert found["utility"].is_monotonic_decreasing
    intervals = project.query("from hedge_intervals where metric = 'sharpe'").set_index("strategy")
    found = found.set_index("strategy")
    assert (found["sharpe_low"] == intervals.loc[found.index, "ci_low"]).all()
    assert (found["sharpe_low"] <= found["sharpe"]).all()
    assert (found["sharpe"] <= found["sharpe_high"]).all()
