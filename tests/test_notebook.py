"""The notebook runs on a built database, says what it says, and is committed as it runs."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

from scripts import notebook, plots
from scripts.run import BuildError
from tests.conftest import Project, read_metrics

LARGEST_BYTES = 600_000
# in JSON, where a backslash is two
MACHINE_PATH = re.compile(r"(?<![\w./])(?:/(?:[\w.~-]+/)+[\w.~-]+|[A-Za-z]:\\\\)")


@pytest.fixture(scope="module")
def executed(new_project: Callable[[], Project]) -> nbformat.NotebookNode:
    """The notebook as make notebook-outputs writes it, on a build of its own of the sample."""
    project = new_project()
    shutil.copytree(notebook.NOTEBOOK.parent, project.root / "notebooks")
    (project.root / "notebooks" / notebook.NOTEBOOK.name).unlink()
    done = project.run(module="scripts.notebook")
    assert done.returncode == 0, done.stderr
    return nbformat.read(done.stdout.strip(), as_version=4)


@pytest.fixture(scope="module")
def committed() -> nbformat.NotebookNode:
    return nbformat.read(notebook.NOTEBOOK, as_version=4)


def outputs(cells: nbformat.NotebookNode) -> list[list[dict[str, str]]]:
    """Return what each code cell shows, by kind: texts as they are, plots as there."""
    return [
        [
            {"stream": output["text"]}
            if output["output_type"] == "stream"
            else {"error": output["evalue"]}
            if output["output_type"] == "error"
            else {
                kind: "" if kind == "image/png" else content
                for kind, content in output["data"].items()
            }
            for output in cell["outputs"]
        ]
        for cell in cells["cells"]
        if cell["cell_type"] == "code"
    ]


def texts(cells: nbformat.NotebookNode) -> list[str]:
    """Return all that the code cells show as plain text."""
    return [
        output.get("text/plain", output.get("stream", ""))
        for cell in outputs(cells)
        for output in cell
    ]


def test_the_two_files_hold_the_same_cells(committed: nbformat.NotebookNode) -> None:
    nbformat.validate(committed)
    assert jupytext.writes(committed, "py:percent") == notebook.CELLS.read_text(encoding="utf-8")


def test_each_code_cell_was_run_in_order_and_shows_something(
    committed: nbformat.NotebookNode,
) -> None:
    code = [cell for cell in committed["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert len(code) > 20
    assert all(len(cell) == 1 and "error" not in cell[0] for cell in outputs(committed))


def test_what_is_committed_is_what_the_sample_gives(
    committed: nbformat.NotebookNode, executed: nbformat.NotebookNode
) -> None:
    assert outputs(committed) == outputs(executed), "run make notebook-outputs"


def test_figures_are_those_of_the_run_folder(
    sample_project: tuple[Project, Path], executed: nbformat.NotebookNode
) -> None:
    _, folder = sample_project
    shown = texts(executed)
    verdict = json.loads((folder / "verdict.json").read_text())["verdict"]
    assert f"{verdict}\n" in shown
    (compared,) = (text for text in shown if "removed_pct" in text and "utility_pct" in text)
    for name, figures in read_metrics(folder)["strategies"].items():
        removed = f"{100 * figures['variance_reduction']:.6g}"
        assert re.search(rf"\b{name} +{re.escape(removed)} ", compared), name
    (order,) = (text for text in shown if "next order" in text)
    last = json.loads((folder / "paper_rebalance_log.jsonl").read_text().splitlines()[-1])
    assert re.search(rf"order_side +{last['order_side']}\b", order)
    assert f"{last['hedge_ratio_target']:.6g}" in order


def test_what_should_add_up_does(executed: nbformat.NotebookNode) -> None:
    differences = [
        line.split()[-1]
        for text in texts(executed)
        for _, _, after in [text.partition("largest_difference")]
        for line in after.splitlines()
        if line.strip()
    ]
    # the slopes of a strategy, and the returns of seven
    assert differences == ["0"] * 8
    (funding,) = (text for text in texts(executed) if "difference_pct" in text)
    assert funding.split()[-1] == "0"


def test_nothing_of_a_machine_is_committed(committed: nbformat.NotebookNode) -> None:
    for path in ("'/home/somebody/hedge.duckdb'", r"C:\Users\somebody\hedge.duckdb"):
        assert MACHINE_PATH.search(json.dumps(path))
    written = json.dumps([[cell["source"] for cell in committed["cells"]], outputs(committed)])
    assert not MACHINE_PATH.search(written)
    assert set(committed["metadata"]) == {"jupytext", "kernelspec", "language_info"}
    assert not any(cell["metadata"] for cell in committed["cells"])
    assert notebook.NOTEBOOK.stat().st_size < LARGEST_BYTES


def test_small_markers_keep_their_colour() -> None:
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], color=plots.COLOURS[1], linewidth=30)
    axes.scatter(range(len(plots.COLOURS)), [2] * len(plots.COLOURS), s=9, color=plots.COLOURS)
    drawn = io.BytesIO()
    figure.savefig(drawn)
    plt.close(figure)
    small = base64.b64decode(notebook.in_few_colours(base64.b64encode(drawn.getvalue()).decode()))
    before, after = (
        np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)
        for png in (drawn.getvalue(), small)
    )
    assert len(small) < len(drawn.getvalue()) / 2
    assert np.abs(before - after).max() <= 16


def test_a_cell_that_fails_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CellExecutionError("Traceback …", "InputError", "it does not exist:\nbuild it.")

    monkeypatch.setattr(notebook.NotebookClient, "execute", fail)
    with pytest.raises(BuildError) as failed:
        notebook.write(tmp_path / "none.duckdb", tmp_path / "notebook.ipynb")
    assert str(failed.value) == (
        "hedge_MVP.py: a cell failed with InputError: it does not exist: build it."
    )
    assert not list(tmp_path.iterdir())
