"""Reproduce a published hedge, and walk from its figures to this project's.

usage: python -m scripts.published --spot F --perp F --funding F [--page docs/published.md]

Builds the models of models/replication, and those of the project on the same files, in
data/published.duckdb, and prints published_outcome and published_walk. With --page it writes
the walk into the table of that page, too.
Exit 0: done. Exit 1: a test failed. Exit 2: bad input or usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from scripts import inputs
from scripts.command_line import OneLineParser, run_command
from scripts.database import connect, replace_database
from scripts.pages import filled, markdown_table, read_page
from scripts.project import DATABASE, InputError, default_vars
from scripts.run import build, build_workspace

PUBLISHED = DATABASE.with_name("published.duckdb")
HOUR_MS = 3_600_000
# the full hedge's figures were published with six decimals
SAME_FIGURE = 5e-7


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags."""
    parser = OneLineParser(
        prog="scripts.published",
        description="Reproduce a published hedge, and walk from its figures to this project's.",
    )
    for leg, what in (
        ("spot", "hourly spot bars"),
        ("perp", "hourly bars of the perpetual"),
        ("funding", "funding prints"),
    ):
        parser.add_argument(f"--{leg}", metavar="F", help=f"parquet of {what}: a file or a glob")
    parser.add_argument("--page", metavar="FILE", help="write the walk into this page's table")
    return parser.parse_args(argv)


def vars_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the dbt vars to be given: these files, at an hour.

    Raises InputError where a file is not named or unfit.
    """
    given = {leg: getattr(arguments, leg) for leg in inputs.LEGS}
    if missing := [leg for leg, path in given.items() if not path]:
        raise InputError(
            f"missing: {' '.join(leg.upper() for leg in missing)}; the published result needs"
            " parquet files of one pair, SPOT= and PERP= with hourly bars, FUNDING= with prints."
        )
    dbt_vars = {"timeframe": "1h"}
    dbt_vars |= {leg: inputs.file_pattern(leg, path, Path.cwd()) for leg, path in given.items()}
    check_bars(dbt_vars)
    return inputs.check(dbt_vars) | {"build_published": True}


def check_bars(dbt_vars: dict[str, Any]) -> None:
    """Refuse bars of several pairs, or of another size than an hour."""
    macros = inputs.input_macros(dbt_vars)
    every_var = default_vars() | dbt_vars
    with connect() as connection:
        for leg in inputs.LEGS:
            inputs.look_at_leg(connection, macros, leg, every_var)
        found = inputs.input_files(connection, macros, list(inputs.LEGS), every_var)
        for leg in ("spot", "perp"):
            files = [file for file in found if file.leg == leg]
            if len(symbols := sorted({file.symbol for file in files})) > 1:
                raise InputError(
                    f"--{leg} holds several pairs ({' '.join(symbols)}): give files of one."
                )
            step_ms = files[0].raw_step_ms
            if step_ms is not None and step_ms != HOUR_MS:
                raise InputError(
                    f"--{leg}: {files[0].source_file} has a bar every"
                    f" {inputs.minutes(step_ms)}, and the published result is of"
                    " hourly ones: give these."
                )


def read_tables(database: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of published_outcome and of published_walk."""
    with connect(database, read_only=True) as connection:
        outcome, walk = (
            [
                {str(name): value for name, value in row.items()}
                for row in connection.execute(f"from {table}").fetchdf().to_dict("records")
            ]
            for table in ("published_outcome", "published_walk order by step")
        )
    return outcome, walk


def outcome_text(outcome: list[dict[str, Any]]) -> str:
    """Return the published figures as a table for a terminal."""
    lines = [f"{'figure':<28}{'published':>22}{'reproduced':>22}{'difference':>13}  rows"]
    lines += [
        f"{row['figure']:<28}{row['published']:>22.16g}{row['reproduced']:>22.16g}"
        f"{row['difference']:>13.1e}  {row['rows_used']}"
        for row in outcome
    ]
    if any(abs(row["difference"]) > SAME_FIGURE for row in outcome):
        lines.append("These are not the files of the published figures.")
    return "\n".join(lines)


def cells(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return variance reduction, change in percentage points and drawdown of a step."""
    change = "" if row["step"] == 0 else f"{100 * row['change']:+.4f}"
    return f"{100 * row['variance_reduction']:.4f} %", change, f"{100 * row['max_drawdown']:.2f} %"


def walk_text(walk: list[dict[str, Any]]) -> str:
    """Return the walk as a table for a terminal, the project's rule under each step."""
    lines = [f"step{'var. reduction':>16}{'change':>10}{'drawdown':>11}  what changes"]
    for row in walk:
        reduction, change, drawdown = cells(row)
        lines.append(f"{row['step']:>4}{reduction:>16}{change:>10}{drawdown:>11}  {row['rule']}")
        lines.append(f"{'':>43}({row['project_rule']})")
    return "\n".join(lines)


def walk_markdown(walk: list[dict[str, Any]]) -> str:
    """Return the walk as a markdown table."""
    heads = ("", "what changes", "variance reduction", "points", "drawdown", "rule of this project")
    rows = [(str(row["step"]), row["rule"], *cells(row), row["project_rule"]) for row in walk]
    return markdown_table(heads, rows)


def published(argv: list[str]) -> list[str]:
    """Do what the command line asks for; return the text of the outcome.

    Raises InputError for bad input or usage, BuildError where a test failed.
    """
    arguments = parse_arguments(argv)
    dbt_vars = vars_from(arguments)
    page = Path(arguments.page) if arguments.page else None
    text = read_page(page, ["published_walk"]) if page else ""
    with build_workspace() as workspace:
        replace_database(build(dbt_vars, workspace), PUBLISHED)
    outcome, walk = read_tables(PUBLISHED)
    if page:
        page.write_text(filled(text, {"published_walk": walk_markdown(walk)}), encoding="utf-8")
    return [f"{outcome_text(outcome)}\n\n{walk_text(walk)}"]


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: published(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
