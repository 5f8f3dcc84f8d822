"""Execute the notebook on the sample data, and write it with its outputs.

usage: python -m scripts.notebook

notebooks/hedge_MVP.py holds the cells, hedge_MVP.ipynb beside it the cells and their outputs.
Exit 0: done. Exit 1: a cell or a test failed. Exit 2: it cannot be written.
"""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from scripts import inputs
from scripts.command_line import one_line, run_command
from scripts.project import ROOT, BuildError
from scripts.results import built

CELLS = ROOT / "notebooks" / "hedge_MVP.py"
NOTEBOOK = CELLS.with_suffix(".ipynb")


def executed(database: Path) -> nbformat.NotebookNode:
    """Return the notebook as its cells leave it, run in order on a database.

    Raises BuildError with the cell's error where one fails.
    """
    notebook: nbformat.NotebookNode = jupytext.read(CELLS)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(CELLS.parent)}},
    )
    try:
        client.execute(env=os.environ | {"HEDGE_DATABASE": str(database)})
    except CellExecutionError as error:
        raise BuildError(
            f"{CELLS.name}: a cell failed with {error.ename}: {one_line(error.evalue)}"
        ) from error
    return notebook


def without_noise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with nothing that a second execution would change, and small plots."""
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["jupytext"].pop("text_representation")  # as JupyterLab leaves it
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place}"
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = in_few_colours(output["data"]["image/png"])
    return notebook


def in_few_colours(png: str) -> str:
    """Return a plot, PNG in base64, with 256 colours: a third of its size."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    small = io.BytesIO()
    # other methods give the few pixels of a strategy's marker another strategy's colour
    image = image.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    image.save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def write(database: Path, path: Path) -> None:
    """Execute the notebook on a database and write it with its outputs."""
    nbformat.write(without_noise(executed(database)), path)


def write_on_sample() -> list[Path]:
    """Build the sample data apart from any build of yours; return the notebook written on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "scripts.sample_data", "--out", name],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        given = {
            leg: inputs.file_pattern(leg, f"{name}/*_{leg}_*.parquet", folder)
            for leg in inputs.LEGS
        }
        database, _ = built(given, folder / "sample.duckdb")
        write(database, NOTEBOOK)
    return [NOTEBOOK]


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(write_on_sample)


if __name__ == "__main__":
    sys.exit(main())
