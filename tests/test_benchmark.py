"""The benchmark's peers do the project's work, and a figure that differs ends it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scripts.benchmark import __main__ as benchmark
from scripts.benchmark import agreement, answers, peers, questions, runs, targets, universe
from scripts.benchmark.agreement import Panel
from scripts.benchmark.costs import Costs, cost_table, steepest
from scripts.benchmark.runs import Cost
from scripts.measured import measured
from scripts.pages import read_page
from scripts.project import BuildError
from tests.conftest import ROOT, Project

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
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of one symbol that have faults."""
    folder = tmp_path_factory.mktemp("faulty")
    universe.write_universe(folder, 1, has_faults=True)
    return folder


@pytest.fixture(scope="module")
def project(new_project: Callable[[], Project], faulty: Path) -> Project:
    """A project, built on the files with faults."""
    project = new_project()
    project.build(**{leg: str(path) for leg, path in universe.files_of(faulty, 1)[0].items()})
    return project


@pytest.fixture(scope="module")
def panels(project: Project, faulty: Path) -> dict[str, Panel]:
    """The figures of one symbol, by who computed them."""
    files = universe.files_of(faulty, 1)
    return {
        "project": runs.figures_of(project.database),
        "pandas": peers.pandas_panel(files),
        "polars": peers.polars_panel(files),
        "statsmodels": peers.statsmodels_panel(files),
    }


@pytest.fixture(scope="module")
def tables(faulty: Path) -> dict[str, pd.DataFrame]:
    """The same answers on the files with faults."""
    return answers.same_answers(universe.files_of(faulty, 1))


@pytest.mark.parametrize("peer", ["pandas", "polars", "statsmodels"])
def test_a_peer_has_every_figure_of_every_strategy(panels: dict[str, Panel], peer: str) -> None:
    ours, theirs = panels["project"]["S000USDT"], panels[peer]["S000USDT"]
    assert ours.keys() == theirs.keys() == set(peers.STRATEGIES)
    assert all(ours[name].keys() == theirs[name].keys() for name in ours)
    agreement.compare(panels["project"], panels[peer], peer)


def test_a_figure_that_differs_is_named(panels: dict[str, Panel]) -> None:
    altered = json.loads(json.dumps(panels["pandas"]))
    altered["S000USDT"]["naive"]["sharpe"] += 1e-6
    with pytest.raises(BuildError, match="pandas: sharpe of naive on S000USDT is "):
        agreement.compare(panels["project"], altered, "pandas")
    altered["S000USDT"]["naive"]["sharpe"] = float("nan")
    with pytest.raises(BuildError, match="is nan, and "):
        agreement.compare(panels["project"], altered, "pandas")


def test_the_same_answers_are_the_same(project: Project, tables: dict[str, pd.DataFrame]) -> None:
    assert tables.keys() == agreement.KEYS.keys()
    furthest = agreement.compare_tables(project.database, tables, "answers")
    # its draws are its own
    assert 0.01 < furthest < agreement.DRAWN_TOLERANCE
    # every kind of fault is there to be found, and every column of a mart is computed
    assert set(tables["data_incidents"]["kind"]) == set(agreement.CHECKED_KINDS)
    for name, table in tables.items():
        columns = set(project.query(f"from {name} limit 0").columns)
        assert columns - set(table.columns) <= {"timeframe", "detail", "verdict"}, name


@pytest.mark.parametrize(
    ("table", "column", "change", "says"),
    [
        ("hedge_tails", "worst_week", 1e-6, "worst_week of S000USDT naive in hedge_tails is "),
        ("leg_comovement", "correlation", 1e-6, "correlation of S000USDT in leg_comovement is "),
        ("hedge_intervals", "estimate", 1e-6, "estimate of S000USDT .* in hedge_intervals is "),
        ("hedge_intervals", "std_error", 0.5, "std_error of S000USDT .* in hedge_intervals is "),
        ("hedge_verdict", "ci_low", 0.5, "ci_low of S000USDT in hedge_verdict is "),
        ("coverage", "bars_present", 1, "bars_present of S000USDT .* in coverage is "),
        ("data_incidents", "affected", 1, "affected of S000USDT .* in data_incidents is "),
    ],
)
def test_an_answer_that_differs_is_named(
    project: Project,
    tables: dict[str, pd.DataFrame],
    table: str,
    column: str,
    change: float,
    says: str,
) -> None:
    altered = tables[table].copy()
    is_one = altered.index == (
        altered.index[altered["strategy"] == "naive"][0]
        if "strategy" in altered
        else altered.index[0]
    )
    altered.loc[is_one, column] += change
    with pytest.raises(BuildError, match=f"answers: {says}"):
        agreement.compare_tables(project.database, {table: altered}, "answers")


def test_an_answer_that_is_missing_is_named(
    project: Project, tables: dict[str, pd.DataFrame]
) -> None:
    fewer = {"data_incidents": tables["data_incidents"].iloc[1:]}
    with pytest.raises(BuildError, match="only the project has S000USDT spot .* data_incidents"):
        agreement.compare_tables(project.database, fewer, "answers")


def test_standard_errors_that_are_off_together_are_refused(
    project: Project, tables: dict[str, pd.DataFrame]
) -> None:
    table = tables["hedge_intervals"]
    is_drawn = table["metric"] != "sharpe_long_run"
    ours = project.query("from hedge_intervals").set_index(["strategy", "metric"])["std_error"]
    known = ours.loc[pd.MultiIndex.from_frame(table[["strategy", "metric"]])].to_numpy()
    shifted = table.assign(std_error=known * 1.1)
    shifted["std_error"] = shifted["std_error"].where(is_drawn, table["std_error"])
    with pytest.raises(BuildError, match="the median standard error is 1.100 times ours"):
        agreement.compare_tables(project.database, {"hedge_intervals": shifted}, "answers")


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
    agreement.compare(pandas, polars, "polars")


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
    agreement.compare({"S000USDT": rows.to_dict("index")}, {"S000USDT": found}, "pandas")


def test_a_sweep_has_as_many_strategies_as_asked(tmp_path: Path) -> None:
    universe.write_sweep(tmp_path / "sweep.csv", 3000)
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["strategy"] for row in rows}) == 3000
    assert len({tuple(row.values())[1:] for row in rows}) == 3000


def test_a_whole_run_is_measured_with_its_workers(folder: Path, tmp_path: Path) -> None:
    files = universe.files_of(folder, 1)[0]
    project = runs.copy_project(tmp_path / "project")
    cost, stages = runs.run_of_one(project, files, tmp_path / "runs", ("--fees_bps", "2"))
    assert next(iter(stages)) == "Python starts"
    assert {"nodes run", "the run folder is written"} <= stages.keys()
    assert all(seconds > 0 for seconds in stages.values())
    assert sum(stages.values()) == pytest.approx(cost.wall)
    assert cost.cpu > 0
    metrics = json.loads((tmp_path / "runs" / "latest" / "metrics.json").read_text())
    assert metrics["symbol"] == "S000USDT"
    assert {"metrics.json", "returns_decomposed.csv"} < runs.digests(tmp_path / "runs").keys()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of such processes")
def test_a_process_that_outlives_its_parent_is_counted(tmp_path: Path) -> None:
    work = "import time\nwhile time.process_time() < 0.5: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {work!r}])"
    assert measured([sys.executable, "-c", parent], tmp_path, "parent").cpu > 0.5


def test_a_process_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="^a peer failed: no such thing"):
        measured([sys.executable, "-c", "exit('no such thing')"], tmp_path, "a peer")
    with pytest.raises(BuildError, match="^duckdb failed: "):
        measured([str(tmp_path / "duckdb")], tmp_path, "duckdb")


def test_an_earlier_commit_is_optional(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runs, "BASELINE", "0" * 40)
    assert runs.baseline_project(tmp_path / "base") is None


def test_queries_are_timed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run_folder = runs.exported(project.database, "S000USDT", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(questions, "REPETITIONS", 1)
    found = questions.timed(project.database, run_folder)
    assert all(isinstance(taken, float) for of in found.values() for taken in of.values())
    assert "from hedge_help();" in found["readme"]
    assert len(found["report"]) > 5
    assert "sharpe" in found["shown"]


def test_ratios_are_medians_of_rounds() -> None:
    costs = Costs()
    for ours, theirs in ((2.0, 1.0), (9.0, 3.0), (4.0, 4.0)):
        costs.add("ours", Cost(ours, ours, 0.0, 100.0))
        costs.add("theirs", Cost(theirs, theirs, 1.0, 100.0))
    assert costs.ratio("ours", "theirs", "work") == 2.0
    assert costs.ratio("theirs", "ours", "cpu") == 0.0
    lines = cost_table(costs, [("times theirs", "theirs", "wall"), ("no", "nobody", "wall")])
    assert lines.splitlines()[2:] == [
        "| ours | 4.00 | 4.00 |  | 100 | 2.00 |",
        "| theirs | 3.00 | 3.00 | 1.0 | 100 | 1.00 |",
    ]
    assert steepest({1000: 1.0, 3000: 3.0, 10000: 20.0}) == 2.0


def test_results_of_targets_are_computed() -> None:
    rows = targets.targets_table({"figures": 3.0, "models": 5.01, "answers": 2.99, "sweep": 2.0})
    results = [line.strip("| ").split(" | ")[-1] for line in rows.splitlines()[2:]]
    of = dict(zip((target.name for target in targets.TARGETS), results, strict=True))
    assert {name: of[name] for name in ("figures", "models", "answers", "sweep", "native")} == {
        "figures": "reached",
        "models": "**missed**",
        "answers": "**missed**",
        "sweep": "reached",
        "native": "not measured",
    }


def test_a_part_replaces_its_own_targets_only() -> None:
    earlier = {"figures": 1.0, "models": 2.0, "native": 3.0}
    assert targets.merged(earlier, {"figures": 4.0}, "panel") == {"figures": 4.0, "native": 3.0}


def test_the_page_shows_the_targets_of_its_figures() -> None:
    page = ROOT / "docs" / "benchmarks.md"
    text = read_page(page, [*benchmark.PARTS, "targets"])
    assert targets.targets_table(targets.read_figures(page.with_suffix(".json"))) in text
    assert {target.part for target in targets.TARGETS} <= benchmark.PARTS.keys()
