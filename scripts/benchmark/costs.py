"""Collect what runs cost, and put it into tables."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark.runs import Cost
from scripts.pages import markdown_table

# a column that compares: what it is called, with what, and which figure of a cost
Comparison = tuple[str, str, str]


class Costs:
    """The costs of several runs, a round after the other."""

    def __init__(self) -> None:
        """Start without any."""
        self.of: dict[str, list[Cost]] = {}

    def add(self, name: str, cost: Cost) -> None:
        """Add a run's cost of this round."""
        self.of.setdefault(name, []).append(cost)

    def medians(self) -> dict[str, Cost]:
        """Return the median of each figure, by name."""
        return {
            name: Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
            for name, costs in self.of.items()
        }

    def ratio(self, name: str, other: str, figure: str) -> float:
        """Return the median ratio of a figure of two runs of the same round; 0 if it is unknown."""
        pairs = [
            (getattr(cost, figure), getattr(base, figure))
            for cost, base in zip(self.of[name], self.of[other], strict=True)
        ]
        if not all(base for _, base in pairs):
            return 0.0
        return float(statistics.median(value / base for value, base in pairs))


def cost_table(costs: Costs, comparisons: Sequence[Comparison]) -> str:
    """Return the medians, and the ratios to other runs; what is not known is left empty."""
    known = [comparison for comparison in comparisons if comparison[1] in costs.of]
    heads = ["", "wall, s", "work, s", "CPU, s", "MB", *(label for label, _, _ in known)]
    lines = []
    for name, cost in costs.medians().items():
        figures = [
            (cost.wall, ".2f"),
            (cost.work, ".2f"),
            (cost.cpu, ".1f"),
            (cost.megabytes, ".0f"),
            *((costs.ratio(name, other, figure), ",.2f") for _, other, figure in known),
        ]
        lines.append((name, *(format(value, form) if value else "" for value, form in figures)))
    return markdown_table(heads, lines)


def stages_table(stages: Sequence[dict[str, float]]) -> str:
    """Return where the time of one symbol's run goes."""
    found = {name: statistics.median(run.get(name, 0.0) for run in stages) for name in stages[0]}
    total = sum(found.values())
    return markdown_table(
        ("one symbol, a whole run", "s", "share"),
        [
            (name, f"{seconds:.2f}", f"{seconds / total:.0%}")
            for name, seconds in (found | {"total": total}).items()
        ],
    )


def models_table(seconds: dict[str, float], symbols: int, most: int = 12) -> str:
    """Return the models that take the longest; dbt runs several at a time."""
    total = sum(seconds.values())
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = [*ranked[:most], ("all others", sum(value for _, value in ranked[most:]))]
    return markdown_table(
        (f"model, {symbols} symbols", "s", "share"),
        [(name, f"{value:.1f}", f"{value / total:.0%}") for name, value in rows],
    )


def steepest(sizes: dict[int, float]) -> float:
    """Return the steepest step from one size to the next, as a multiple of linear growth."""
    of_one = [value / size for size, value in sorted(sizes.items())]
    return max(after / before for before, after in itertools.pairwise(of_one))


def growth_table(sizes: dict[int, dict[str, Cost]], names: Sequence[str]) -> str:
    """Return work and CPU time a symbol at each size, and the steepest step between sizes."""
    lines = []
    for name, figure in itertools.product(names, ("work", "cpu")):
        values = {symbols: getattr(found[name], figure) for symbols, found in sizes.items()}
        lines.append(
            (
                f"{name}: {'CPU' if figure == 'cpu' else figure}",
                *(f"{value / symbols:.3f}" for symbols, value in values.items()),
                f"{steepest(values):.2f}",
            )
        )
    return markdown_table(
        (
            "seconds a symbol",
            *(f"{symbols} symbols" for symbols in sizes),
            "steepest step, times linear",
        ),
        lines,
    )


def draw_growth(sizes: dict[int, dict[str, Cost]], names: Sequence[str], path: Path) -> None:
    """Draw the work of each size."""
    import matplotlib.pyplot as plt

    from scripts.plots import COLOURS, SIZE

    figure, axes = plt.subplots(figsize=SIZE)
    for name, colour in zip(names, COLOURS[1:], strict=False):
        work = {symbols: found[name].work for symbols, found in sizes.items()}
        label = name.replace("`", "")
        axes.plot(list(work), list(work.values()), marker="o", color=colour, label=label)
        least, most = min(work), max(work)
        axes.plot(
            [least, most],
            [work[least], work[least] * most / least],
            color=colour,
            linestyle="--",
            linewidth=1,
        )
    axes.set(xscale="log", yscale="log", xlabel="Symbols", ylabel="Work, seconds")
    axes.set_xticks(list(sizes), [str(symbols) for symbols in sizes])
    axes.minorticks_off()
    axes.set_title("Work by number of symbols. Dashed: linear growth")
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(path)
    plt.close(figure)


def shortened(query: str, most: int = 60) -> str:
    """Return a query as a cell of a table: on one line, cut off, in code."""
    line = " ".join(query.split()).replace("|", "\\|")
    return f"`{line if len(line) <= most else line[: most - 1] + '…'}`"
