"""The targets of the project's speed: what was aimed at, and whether it was reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from scripts.pages import markdown_table

Figures = dict[str, float]


class Target(NamedTuple):
    """A target: its name, the part that measures it, what it says, its bound, and its unit.

    The figure is at most the bound, or at least, if is_floor.
    """

    name: str
    part: str
    says: str
    bound: float
    unit: str = " times"
    is_floor: bool = False


TARGETS = (
    Target("figures", "panel", "100 symbols, the models of `hedge_metrics`: polars' work", 3),
    Target("models", "panel", "100 symbols, all models: polars' work", 5),
    Target("build", "panel", "100 symbols, `dbt build` with tests: polars' wall time", 6),
    Target("build_400", "panel", "400 symbols, `dbt build` with tests: polars' wall time", 7),
    Target("memory", "panel", "400 symbols, `dbt build`: memory without a limit", 6, " GB"),
    Target("memory_limited", "memory", "400 symbols, `dbt build`: memory with a limit", 3, " GB"),
    Target(
        "answers",
        "panel",
        "100 symbols: CPU time of the same answers in pandas, over that of `dbt build`",
        3,
        is_floor=True,
    ),
    Target("native", "native", "100 symbols at 5m, the models of `hedge_metrics`: polars' work", 4),
    Target(
        "sweep",
        "sweep",
        "A sweep of 1,000: the work of a loop in pandas, over what the sweep adds",
        2,
        is_floor=True,
    ),
    Target("sweep_memory", "sweep", "A sweep of 10,000: memory of the build", 4, " GB"),
    Target(
        "sweep_growth",
        "sweep",
        "From 1,000 to 10,000: the steepest step of the work that is added, over linear growth",
        1.1,
    ),
    Target(
        "run",
        "run",
        "One symbol, a whole run: wall time of `dbt parse` at commit 509b65b",
        1.7,
    ),
    Target("run_again", "run", "A later run with other vars: the same `dbt parse`", 1.2),
    Target(
        "mart",
        "questions",
        "100 symbols: `returns_decomposed` of one symbol and strategy, in Python",
        50,
        " ms",
    ),
    Target(
        "questions",
        "questions",
        "Each query of the README and of the report: the slowest, one symbol",
        100,
        " ms",
    ),
    Target(
        "same_bytes",
        "run",
        "Two runs of the same files: CSVs, `metrics.json` and order log that differ",
        0,
        " files",
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
        lines.append(
            (
                target.says,
                f"{limit} {target.bound:g}{target.unit}",
                "" if figure is None else f"{significant(figure)}{target.unit}",
                "not measured"
                if figure is None
                else "reached"
                if is_reached(target, figure)
                else "**missed**",
            )
        )
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
