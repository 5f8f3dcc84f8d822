"""The targets of the project's speed: what was aimed at, and whether it was reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from scripts.pages import markdown_table

Figures = dict[str, float]


class Target(NamedTuple):
    """A target: its name, the part that measures it, what is measured, its bound, unit and base.

    The figure is at most the bound; it is at least the bound if is_floor.
    """

    name: str
    part: str
    says: str
    bound: float
    unit: str = " times"
    base: str = ""
    is_floor: bool = False


TARGETS = (
    Target(
        "figures", "panel", "100 symbols, the models of `hedge_metrics`", 3, base="polars' work"
    ),
    Target("models", "panel", "100 symbols, all models", 5, base="polars' work"),
    Target("build", "panel", "100 symbols, `dbt build` with tests", 6, base="polars' wall time"),
    Target(
        "build_400", "panel", "400 symbols, `dbt build` with tests", 7, base="polars' wall time"
    ),
    Target("memory", "panel", "400 symbols, memory of `dbt build` without a limit", 6, " GB"),
    Target("memory_limited", "memory", "400 symbols, memory of `dbt build` with a limit", 3, " GB"),
    Target(
        "answers",
        "panel",
        "100 symbols, CPU time of the same answers in pandas with arch",
        3,
        base="that of `dbt build` with tests",
        is_floor=True,
    ),
    Target(
        "native",
        "native",
        "100 symbols at 5m, the models of `hedge_metrics`",
        4,
        base="polars' work",
    ),
    Target(
        "sweep",
        "sweep",
        "A sweep of 1,000 strategies, work of a loop in pandas",
        2,
        base="what the sweep adds to a build",
        is_floor=True,
    ),
    Target("sweep_memory", "sweep", "A sweep of 10,000 strategies, memory of the build", 4, " GB"),
    Target(
        "sweep_growth",
        "sweep",
        "Sweeps of 1,000 to 10,000 strategies, the steepest step of the work added",
        1.1,
        base="linear growth",
    ),
    Target(
        "run",
        "run",
        "One symbol, a whole run with nothing parsed before",
        1.7,
        base="`dbt parse` at commit 509b65b",
    ),
    Target(
        "run_again",
        "run",
        "One symbol, a later run with other vars",
        1.2,
        base="`dbt parse` at commit 509b65b",
    ),
    Target(
        "mart",
        "questions",
        "100 symbols, `returns_decomposed` of one symbol and strategy in Python",
        50,
        " ms",
    ),
    Target(
        "questions",
        "questions",
        "One symbol, the slowest query of the README or the report",
        100,
        " ms",
    ),
    Target(
        "same_bytes",
        "run",
        "Files that differ between two runs of the same input",
        0,
        "",
    ),
)


def is_reached(target: Target, figure: float) -> bool:
    """Return whether a figure reaches its target."""
    return figure >= target.bound if target.is_floor else figure <= target.bound


def targets_table(figures: Figures) -> str:
    """Return each target with its figure and whether it was reached."""
    lines = []
    for target in TARGETS:
        figure = figures.get(target.name)
        limit = "at least" if target.is_floor else "at most"
        measured, result = "", "not measured"
        if figure is not None:
            measured = f"{significant(figure)}{target.unit}"
            result = "reached" if is_reached(target, figure) else "**missed**"
        bound = f"{limit} {target.bound:g}{target.unit} {target.base}".strip()
        lines.append((target.says, bound, measured, result))
    return markdown_table(("target", "bound", "measured", "result"), lines)


def significant(figure: float) -> str:
    """Return a figure to three significant digits."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def read_figures(path: Path) -> Figures:
    """Return the figures that earlier parts measured."""
    if not path.exists():
        return {}
    figures: Figures = json.loads(path.read_text(encoding="utf-8"))
    return figures


def merged(earlier: Figures, measured: Figures, part: str) -> Figures:
    """Return the figures with those of a part measured again: what it did not measure is gone."""
    of_part = {target.name for target in TARGETS if target.part == part}
    kept = {name: figure for name, figure in earlier.items() if name not in of_part}
    found = kept | measured
    return {target.name: found[target.name] for target in TARGETS if target.name in found}


def write_figures(path: Path, figures: Figures) -> None:
    """Write the figures with all their digits."""
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
