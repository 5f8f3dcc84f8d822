"""The benchmark's peers do the project's work, and a figure that differs ends it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.benchmark import peers, runs, universe
from scripts.benchmark.runs import Panel
from scripts.run import BuildError
from tests.conftest import Project

SWEEP = """
strategy,estimator,is_vol_scaled,beta_window,vol_target,rebalance_band
every_bar,rolling,False,5d,,0
banded,rolling,False,20d,,0.005
scaled,rolling,True,10d,0.4,0.01
""".strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of one symbol."""
    folder = tmp_path_factory.mktemp("universe")
    universe.write_universe(folder, 1)
    return folder


@pytest.fixture(scope="module")
def panels(new_project: Callable[[], Project], folder: Path) -> dict[str, Panel]:
    """The figures of one symbol, by who computed them."""
    files = universe.files_of(folder, 1)
    ours = new_project().build(**{leg: str(path) for leg, path in files[0].items()})
    return {
        "project": {symbol: metrics["strategies"] for symbol, metrics in ours.items()},
        "pandas": peers.pandas_panel(files),
        "polars": peers.polars_panel(files),
        "statsmodels": peers.statsmodels_panel(files),
    }


@pytest.mark.parametrize("peer", ["pandas", "polars", "statsmodels"])
def test_a_peer_has_every_figure_of_every_strategy(panels: dict[str, Panel], peer: str) -> None:
    ours, theirs = panels["project"]["S000USDT"], panels[peer]["S000USDT"]
    assert ours.keys() == theirs.keys() == set(peers.STRATEGIES)
    assert all(ours[name].keys() == theirs[name].keys() for name in ours)
    runs.compare(panels["project"], panels[peer], peer)


def test_a_figure_that_differs_is_named(panels: dict[str, Panel]) -> None:
    altered = json.loads(json.dumps(panels["pandas"]))
    altered["S000USDT"]["naive"]["sharpe"] += 1e-6
    with pytest.raises(BuildError, match="pandas: sharpe of naive on S000USDT is "):
        runs.compare(panels["project"], altered, "pandas")
    altered["S000USDT"]["naive"]["sharpe"] = float("nan")
    with pytest.raises(BuildError, match="is nan, and "):
        runs.compare(panels["project"], altered, "pandas")


def test_symbols_differ_and_stay_as_they_are(tmp_path: Path) -> None:
    universe.write_universe(tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 6
    assert before["spot_S000USDT.parquet"] != before["spot_S001USDT.parquet"]
    (tmp_path / "perp_S000USDT.parquet").unlink()
    universe.write_universe(tmp_path, 2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_peers_agree_on_native_bars(folder: Path) -> None:
    files, work = universe.files_of(folder, 1), peers.Work(minutes=5, beta_window=8640)
    pandas, polars = peers.pandas_panel(files, work), peers.polars_panel(files, work)
    assert pandas["S000USDT"]["naive"]["bars"] > universe.BARS - 2 * 8640
    runs.compare(pandas, polars, "polars")


def test_the_loop_over_a_sweep_has_its_figures_and_errors(
    new_project: Callable[[], Project], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "sweep.csv").write_text(SWEEP)
    files = universe.files_of(folder, 1)[0]
    project = new_project()
    project.build(
        **{leg: str(path) for leg, path in files.items()}, sweep=str(tmp_path / "sweep.csv")
    )
    rows = project.query("from sweep_metrics").set_index("strategy")
    found = peers.pandas_sweep(files, list(csv.DictReader(SWEEP.splitlines())))
    assert set(found) < set(rows.index)
    assert found["banded"].keys() >= {"sharpe", "delta_utility", "std_error"}
    runs.compare({"S000USDT": rows.to_dict("index")}, {"S000USDT": found}, "pandas")


def test_a_runs_stages_are_told(folder: Path, tmp_path: Path) -> None:
    cost, stages = runs.run_of_one(universe.files_of(folder, 1)[0], tmp_path / "run")
    assert list(stages) == [
        "Python starts",
        "the inputs are looked at",
        "dbt starts",
        "dbt parses the project",
        "nodes run",
        "dbt ends",
        "the run folder is written",
    ]
    assert all(seconds > 0 for seconds in stages.values())
    assert sum(stages.values()) == pytest.approx(cost.wall)
    assert list((tmp_path / "run" / "runs").glob("*/metrics.json"))
