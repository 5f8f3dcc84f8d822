"""The parts of README and docs that make results computes, on the sample's build."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from scripts import pages, results
from scripts.project import InputError
from tests.conftest import ROOT, Project


@pytest.fixture(scope="module")
def parts(sample_project: tuple[Project, Path]) -> dict[str, str]:
    """What one build tells: the parts about one timeframe, and about several."""
    database = sample_project[0].database
    return results.panel_parts(database) | results.timeframe_parts(database)


def table(part: str) -> dict[str, list[str]]:
    """Return a markdown table's cells by the first of each row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
    assert len({len(row) for row in rows}) == 1
    return {row[0]: row[1:] for row in rows}


def test_strategies_are_those_of_the_metrics(
    sample_project: tuple[Project, Path], parts: dict[str, str]
) -> None:
    cells = table(parts["strategies"])
    metrics = sample_project[0].query("from hedge_metrics").set_index("strategy")
    assert list(cells)[2:] == [
        "unhedged",
        "naive",
        "naive_hold",
        "static_ols",
        "rolling_ols",
        "rolling_ols_band",
        "vol_scaled",
    ]
    for name, figures in metrics.iterrows():
        assert cells[name][0] == f"{100 * figures['variance_reduction']:.3f} %"
        assert cells[name][3] == f"{100 * figures['pnl_frac']:+.2f} %"
        assert cells[name][4] == f"{figures['turnover']:.2f}"


def test_intervals_stand_beside_their_strategy(
    sample_project: tuple[Project, Path], parts: dict[str, str]
) -> None:
    cells = table(parts["intervals"])
    intervals = sample_project[0].query("from hedge_intervals").set_index(["metric", "strategy"])
    for name in ("naive_hold", "vol_scaled"):
        sharpe, versus = (intervals.loc[(metric, name)] for metric in ("sharpe", "sharpe_vs_naive"))
        assert cells[name][1] == f"{sharpe['ci_low']:.2f} to {sharpe['ci_high']:.2f}"
        assert cells[name][2] == f"{versus['ci_low']:+.2f} to {versus['ci_high']:+.2f}"
    assert cells["naive"][2] == ""


def test_the_sentence_and_the_timeframe(parts: dict[str, str]) -> None:
    assert parts["verdict"].startswith("> BTCUSDT 1h: ")
    assert list(table(parts["timeframes"]))[2:] == ["1h"]
    assert "BTCUSDT at 1h, " in parts["sample"]


def test_a_sweep_of_a_thousand_different_strategies(tmp_path: Path) -> None:
    results.write_sweep(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["strategy"] for row in rows}) == 1000
    assert len({tuple(list(row.values())[1:]) for row in rows}) == 1000


def test_every_place_of_a_page_is_computed_and_filled() -> None:
    """A place that nothing fills, or that stayed empty, would show old figures or none."""
    source = (ROOT / "scripts" / "results.py").read_text()
    for page in results.PAGES:
        text = (ROOT / page).read_text()
        names = [name for name in re.findall(r"<!-- (\w+) -->\n", text) if name != "end"]
        assert names
        for name in names:
            assert f'"{name}"' in source
            assert pages.place_of(name).search(text)[1].strip(), (page, name)


def test_parts_are_filled_in_empty_or_not_and_nothing_else_moves() -> None:
    page = "a\n<!-- one -->\n<!-- end -->\nb\n<!-- two -->\nold\n<!-- end -->\nc\n"
    filled = pages.filled(page, {"one": "1\n", "two": "2\\g<0>\n", "three": "3\n"})
    assert filled == (
        "a\n<!-- one -->\n1\n<!-- end -->\nb\n<!-- two -->\n2\\g<0>\n<!-- end -->\nc\n"
    )
    assert pages.filled(filled, {"one": "", "two": "old\n"}) == page


def test_a_missing_input_is_said() -> None:
    with pytest.raises(InputError, match="--funding is missing"):
        results.parse_arguments(["--spot", "a.parquet", "--perp", "b.parquet"])


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- walk -->\n")
    with pytest.raises(InputError, match=r"page\.md has no <!-- walk --> before <!-- end -->"):
        pages.read_page(tmp_path / "page.md", ["walk"])
