"""Sweeps: the panel's figures for the panel's strategies, and nothing else moves."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scripts import inputs
from tests import reference
from tests.conftest import MARKET_DATA, ROOT, Project, needs_market_data, write_parquet

TOLERANCE = 1e-11
PANEL = (ROOT / "data" / "seeds" / "hedge_strategies.csv").read_text() + reference.MORE_ROWS
BUILD = {"beta_window": 60, "vol_window": 20, "halflife": 40}
AGAIN = "again_"
UNMOVED = (
    "int_samples",
    "int_series",
    "beta_series",
    "int_positions",
    "int_moments",
    "returns_decomposed",
    "hedge_metrics",
    "hedge_intervals",
)

FAULTS = {
    "sweep_metrics_is_sound": "insert into sweep_metrics (from sweep_metrics limit 1)",
    "sweep_is_scored": "delete from sweep_metrics where strategy = 'again_ewma'",
    "sweep_parameters_make_sense": "update int_sweep_strategies set estimator = 'kalman'",
}


def inputs_of(folder: Path) -> dict[str, str]:
    """Write 80 days of hourly bars, some missing, and prints; return the vars that name them."""
    random = np.random.default_rng(7)
    bars = 80 * 24
    ts = pd.date_range("2025-01-01", periods=bars, freq="h", tz="UTC")
    spot = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars)))
    perp = spot * (1 + 0.001 * random.standard_normal(bars))
    kept = np.ones(bars, dtype=bool)
    # a hole longer than vol_window leaves ratios held, single ones leave gaps
    kept[1000:1030] = False
    kept[random.integers(100, bars - 1, 40)] = False
    for leg, close in (("spot", spot), ("perp", perp)):
        write_parquet(
            folder / f"{leg}_BTCUSDT.parquet",
            pd.DataFrame(
                {
                    "timestamp": ts[kept],
                    "close": close[kept],
                    "symbol": "BTCUSDT",
                }
            ),
        )
    write_parquet(
        folder / "funding_BTCUSDT.parquet",
        pd.DataFrame(
            {
                "timestamp": ts[::8],
                "funding_rate": 1e-4 * random.standard_normal(len(ts[::8])),
                "symbol": "BTCUSDT",
            }
        ),
    )
    return {leg: str(folder / f"{leg}_BTCUSDT.parquet") for leg in ("spot", "perp", "funding")}


@pytest.fixture(scope="module")
def swept(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Project]:
    """Two builds of one panel: without a sweep, and with its own strategies as a sweep."""
    folder = tmp_path_factory.mktemp("sweep")
    files = inputs_of(folder)
    sweep = folder / "sweep.csv"
    rows = list(csv.DictReader(PANEL.splitlines()))
    header, *lines = PANEL.splitlines()
    # a sweep may not use the names of the panel
    again = [header, *(f"{AGAIN}{line}" for line in lines)]
    sweep.write_text("\n".join([*again, "never_traded,rolling,true,,,0.3,0.01,0,,,\n"]))
    builds = []
    for variables in ({}, {"sweep": str(sweep)}):
        project = new_project()
        (project.root / "data" / "seeds" / "hedge_strategies.csv").write_text(PANEL)
        assert len(rows) == 13
        done = project.dbt("build", "--vars", json.dumps(files | BUILD | variables))
        assert done.returncode == 0, done.stdout
        builds.append(project)
    return builds[0], builds[1]


def test_a_sweep_is_described_and_listed(swept: tuple[Project, Project]) -> None:
    assert swept[1].undescribed() == []
    listed = swept[1].query("from hedge_help() where kind = 'table'")["example"]
    assert listed.iloc[-1] == "from sweep_metrics"


def test_the_panel_as_a_sweep_has_the_panels_figures(swept: tuple[Project, Project]) -> None:
    panel = swept[1].query("from hedge_metrics order by strategy").set_index("strategy")
    sweep = swept[1].query("from sweep_metrics order by strategy").set_index("strategy")
    again = AGAIN + panel.index
    of_panel = {"naive", "naive_hold", "rolling_ols"}
    assert set(sweep.index) == set(again) | of_panel | {"never_traded"}
    for metric in panel.columns.drop(["symbol", "timeframe"]):
        np.testing.assert_allclose(
            sweep.loc[again, metric],
            panel[metric],
            # a ratio that stands still deviates by rounding alone
            rtol=TOLERANCE,
            atol=1e-14,
            err_msg=metric,
        )
    assert sweep.loc["never_traded", "turnover"] < 1


def test_dbt_tests_of_a_sweep_fail_on_their_faults(swept: tuple[Project, Project]) -> None:
    folder = swept[1].root / "target" / "compiled"
    compiled = {path.stem: path.read_text() for path in folder.rglob("*.sql")}
    assert {name for name in compiled if name.startswith("sweep_")} == {*FAULTS, "sweep_metrics"}
    with duckdb.connect(str(swept[1].database)) as connection:
        not_finite = ("sweep_metrics_is_sound", "update sweep_metrics set std_error = 'nan'")
        for name, fault in (*FAULTS.items(), not_finite):
            connection.begin()
            assert connection.execute(compiled[name]).fetchall() == []
            connection.execute(fault)
            assert connection.execute(compiled[name]).fetchall() != [], name
            connection.rollback()


def test_errors_agree_with_the_exact_replicates(swept: tuple[Project, Project]) -> None:
    """To a thousandth: what is left out are squares of a mean's deviation per bar."""
    exact = (
        swept[1]
        .query("from hedge_intervals where metric = 'utility_vs_benchmark'")
        .set_index("strategy")
    )
    sweep = swept[1].query("from sweep_metrics").set_index("strategy").loc[AGAIN + exact.index]
    np.testing.assert_allclose(sweep["delta_utility"], exact["estimate"], rtol=1e-9, atol=1e-12)
    for column in ("std_error", "ci_low", "ci_high"):
        np.testing.assert_allclose(sweep[column], exact[column], rtol=1e-3, atol=1e-9)


def test_a_sweep_moves_nothing_of_the_panel(swept: tuple[Project, Project]) -> None:
    with duckdb.connect() as connection:
        for name, project in zip(("alone", "beside"), swept, strict=True):
            connection.execute(f"attach '{project.database}' as {name} (read_only)")
        for table in UNMOVED:
            moved = connection.execute(
                f"select count(*) from (from alone.{table} except all from beside.{table})"
            ).fetchone()[0]
            assert moved == 0, table
            assert connection.execute(f"select count(*) from beside.{table}").fetchone()[0] > 0


def test_no_bars_of_a_sweep_are_kept(swept: tuple[Project, Project]) -> None:
    """A row a strategy at most, and lists of estimates that strategies share."""
    strategies = len(swept[1].query("from int_sweep_strategies"))
    tables = swept[1].query(
        "select table_name, estimated_size as rows from duckdb_tables()"
        " where schema_name = 'main' and table_name like '%sweep%'"
    )
    assert len(tables) == 5
    assert (tables["rows"] <= strategies).all()


def test_dbt_alone_builds_the_same_bytes(swept: tuple[Project, Project], tmp_path: Path) -> None:
    """From the project's folder, where nothing but the profile says where the plugin lies."""
    shutil.copytree(swept[1].root, tmp_path / "copy")
    variables = json.loads(swept[1].query("select vars from int_build")["vars"].item())
    command = Path(sys.executable).with_name("dbt")
    with duckdb.connect(str(swept[1].database), read_only=True) as connection:
        figures = connection.execute("from sweep_metrics order by all").fetchall()
    for threads in ("1", "4"):
        done = subprocess.run(
            [command, "run", "--select", "int_sweep_estimates+,+sweep_metrics"]
            + ["--threads", threads, "--vars", json.dumps(variables)],
            cwd=tmp_path / "copy",
            env=os.environ | {"PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        with duckdb.connect(tmp_path / "copy" / "data" / "hedge.duckdb") as connection:
            again = connection.execute("from sweep_metrics order by all").fetchall()
            assert again == figures
            connection.execute("drop table sweep_metrics")


def test_betas_of_a_window_are_computed_once(swept: tuple[Project, Project]) -> None:
    counts = [project.query("select count(*) as n from int_betas")["n"].item() for project in swept]
    assert counts[0] == counts[1]


def test_the_verdict_goes_over_panel_and_sweep(swept: tuple[Project, Project]) -> None:
    """The quantile of the maximum again, in pandas, from the replicates."""
    alone, beside = (project.query("from hedge_verdict").iloc[0] for project in swept)
    # a sweep of the panel's strategies tries each of them again
    assert beside["strategies_tried"] == 2 * alone["strategies_tried"] + 1
    assert beside["delta_utility"] >= alone["delta_utility"] - 1e-12
    best = beside["best_strategy"]
    drawn = (
        swept[1]
        .query("from int_sweep_replicates")
        .pivot(index="replicate", columns="strategy", values="deviation")
    )
    errors = drawn.std(ddof=1)
    errors = errors[errors > 1e-12]
    statistic = (drawn[errors.index].abs() / errors).max(axis=1)
    found = swept[1].query("from sweep_metrics").set_index("strategy")
    np.testing.assert_allclose(found.loc[errors.index, "std_error"], errors, rtol=1e-9)
    blocks = beside["blocks"]
    z, degrees = np.quantile(statistic, 0.95), 1.5 * blocks
    value = (
        z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    ) * np.sqrt(blocks / (blocks - 1))
    # the panel's exact replicates differ from the sweep's by less than a thousandth
    assert beside["ci_high"] - beside["delta_utility"] == pytest.approx(
        errors[best] * value, rel=2e-3
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "is no file"),
        ("", "cannot be read|no column strategy|holds no row"),
        ("estimator\nrolling\n", "no column strategy"),
        ("strategy\n", "holds no row"),
        ("strategy,window\na,30\n", "has a column window"),
        ("strategy,estimator\na,rolling\na,naive\n", "has a twice"),
        ("strategy,estimator\na,rolling\nA,naive\n", "A and a differ in letter case only"),
        ("strategy,estimator\nrolling_ols,naive\n", "rolling_ols is a strategy of data/seeds"),
        ("strategy,estimator\n{{ 7 * 7 }},naive\n", "use letters, digits and - _ / : . only"),
        ("strategy,estimator\n<b>,naive\n", "use letters, digits and - _ / : . only"),
        ("strategy,rebalance_every\na,1_0\n", "rebalance_every of a is 1_0: give a whole number"),
        ("strategy,rebalance_every\na,٣٠\n", "rebalance_every of a is ٣٠: give a whole number"),
        ("strategy,beta_window\na,٣٠\n", "beta_window of a is ٣٠: give rows, or a duration"),
        ("strategy,min_trade\na,1_0.5\n", "min_trade of a is 1_0.5: give a number"),
        ("strategy,estimator\na,rolling\n,naive\n", "row 2 has no strategy"),
        ("strategy,estimator\na,kalman\n", "estimator of a is kalman"),
        ("strategy,vol_target\na,much\n", "vol_target of a is much"),
        ("strategy,rebalance_band\na,-1\n", "rebalance_band of a is -1"),
        ("strategy,beta_window\na,2\n", "beta_window of a is 2 bars"),
        ("strategy,beta_window\na,1w\n", "beta_window of a is 1w"),
        ("strategy,is_vol_scaled\na,maybe\n", "is_vol_scaled of a is maybe"),
        ("strategy,is_vol_scaled,is_vol_budget\na,true,true\n", "a is both"),
        ("strategy,beta_window\na,90d\n", "a window of 2160 rows needs 2162"),
        ("strategy,beta_window\na,999999999d\n", "a window of 1000000000 rows needs"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(
    project: Project, tmp_path: Path, text: str | None, fault: str
) -> None:
    from scripts import inputs
    from scripts.project import InputError

    sweep = tmp_path / "sweep.csv"
    if text is not None:
        sweep.write_text(text)
    with pytest.raises(InputError, match=fault):
        inputs.check(inputs_of(tmp_path) | {"sweep": str(sweep)})


def test_a_sweeps_file_may_have_any_name(tmp_path: Path) -> None:
    """A name that is a pattern or a template elsewhere is a name."""
    sweep = tmp_path / "odd [1] {{ x }} {% y %}*.csv"
    sweep.write_text("strategy,beta_window\na,10d\n")
    (tmp_path / "odd 1 {{ x }} {% y %}.csv").write_text("strategy,window\nother,10d\n")
    given = inputs_of(tmp_path) | {"sweep": inputs.literal_pattern(str(sweep))}
    assert inputs.check(given)["sweep"] == given["sweep"]


@needs_market_data
def test_a_thousand_strategies_of_bitcoin(
    new_project: Callable[[], Project], tmp_path: Path
) -> None:
    """Ten windows, bands and targets: scored, and one of them the panel's to 1e-11."""
    sweep = tmp_path / "sweep.csv"
    rows = ["strategy,is_vol_scaled,beta_window,vol_target,rebalance_band"]
    rows += [
        f"w{window}_t{target}_b{band},true,{window},{0.3 + 0.05 * target:.2f},{0.002 * band}"
        for window in range(180, 721, 60)
        for target in range(10)
        for band in range(10)
    ]
    sweep.write_text("\n".join(rows) + "\n")
    project, raw = new_project(), MARKET_DATA / "raw"
    done = project.dbt(
        "build",
        "--vars",
        json.dumps(
            {
                "spot": str(raw / "binance_spot_BTCUSDT_5m.parquet"),
                "perp": str(raw / "binance_perp_BTCUSDT_5m.parquet"),
                "funding": str(raw / "binance_funding_BTCUSDT.parquet"),
                "sweep": str(sweep),
            }
        ),
    )
    assert done.returncode == 0, done.stdout
    found = project.query("from sweep_metrics").set_index("strategy")
    assert len(found) == 1003
    assert (found["bars"] == 11_439).all()
    panel = project.query("from hedge_metrics").set_index("strategy")
    for metric in ("sharpe", "turnover", "total_return", "pnl_max_drawdown"):
        assert found.loc["w720_t4_b0", metric] == pytest.approx(
            panel.loc["vol_scaled", metric], rel=TOLERANCE
        )
    verdict = project.query("from hedge_verdict").iloc[0]
    assert verdict["strategies_tried"] == 1006
    assert not verdict["is_replaced"]


def test_the_sweep_of_the_readme(swept: tuple[Project, Project], tmp_path: Path) -> None:
    """Its file is taken, and its query finds rows."""
    section = (ROOT / "README.md").read_text().split("## Sweeps")[1].split("\n## ")[0]
    rows, query = (
        re.search(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)[1]
        for language in ("csv", "text")
    )
    (tmp_path / "sweep.csv").write_text(rows)
    given = inputs_of(tmp_path) | {"sweep": str(tmp_path / "sweep.csv")}
    assert inputs.check(given)["sweep"] == given["sweep"]
    found = swept[1].query(query)
    assert len(found) > 1
    assert found["rebalance_band"].notna().all()
