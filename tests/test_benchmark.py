"""The benchmark's peers do the project's work, and a figure that differs ends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.benchmark import __main__ as benchmark
from scripts.benchmark import peers, universe
from scripts.run import BuildError
from tests.conftest import Project

Panel = dict[str, dict[str, peers.Figures]]


@pytest.fixture(scope="module")
def panels(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Panel]:
    """The figures of one symbol, by who computed them."""
    folder = tmp_path_factory.mktemp("universe")
    universe.write_universe(folder, 1)
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
    benchmark.compare(panels["project"], panels[peer], peer)


def test_a_figure_that_differs_is_named(panels: dict[str, Panel]) -> None:
    altered = json.loads(json.dumps(panels["pandas"]))
    altered["S000USDT"]["naive"]["sharpe"] += 1e-6
    with pytest.raises(BuildError, match="pandas: sharpe of naive on S000USDT is "):
        benchmark.compare(panels["project"], altered, "pandas")
    altered["S000USDT"]["naive"]["sharpe"] = float("nan")
    with pytest.raises(BuildError, match="is nan, and "):
        benchmark.compare(panels["project"], altered, "pandas")


def test_symbols_differ_and_stay_as_they_are(tmp_path: Path) -> None:
    universe.write_universe(tmp_path, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 6
    assert before["spot_S000USDT.parquet"] != before["spot_S001USDT.parquet"]
    (tmp_path / "perp_S000USDT.parquet").unlink()
    universe.write_universe(tmp_path, 2)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
