"""Write the documentation of the project and its database as one page that needs no network.

usage: python -m scripts.docs

Prints the path of the page, and nothing else, to stdout. The page shows the database as it was
built last, with the SQL that its vars and files gave.
Exit 0: done. Exit 1: dbt failed. Exit 2: no build to document, or not on these files; bad usage.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts import dbt_process
from scripts.command_line import OneLineParser, one_line, run_command
from scripts.database import one_row, open_build
from scripts.project import DATABASE, ROOT, BuildError, InputError
from scripts.run import LOG_IN_JSON, parse_event

TARGET = ROOT / "target" / "docs"
# where dbt's page asks for files that nobody has: an icon that was left out of it, and icons
# before their names are filled in
MENDED = {
    "${require('./assets/favicons/favicon.ico')}": "data:,",
    'xlink:href="{{': 'ng-attr-href="{{',
}


def write_page() -> Path:
    """Write the page; return its path.

    Raises InputError without a build or without the files that it read, since their columns
    decide the SQL; BuildError where dbt fails.
    """
    with open_build(DATABASE) as connection:
        (built_vars,) = one_row(connection.execute("select vars from int_build"))
        files = connection.execute("select source_file from int_input_files").fetchall()
    for (file,) in files:
        if not (ROOT / file).exists():
            raise InputError(f"{file}, which the last build read, is gone: build again without it.")
    done = subprocess.run(
        dbt_process.command(
            [
                "docs",
                "generate",
                "--static",
                "--target-path",
                str(TARGET),
                "--log-path",
                str(TARGET),
                "--vars",
                built_vars,
                "--log-level",
                "error",
                *LOG_IN_JSON,
            ]
        ),
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        messages = [parse_event(line).get("msg", line) for line in done.stdout.splitlines()]
        raise BuildError("dbt docs failed: " + one_line(" ".join(messages)))
    page = (TARGET / "static_index.html").read_text(encoding="utf-8")
    for asked, given in MENDED.items():
        page = page.replace(asked, given)
    # in place of dbt's own, which reads files beside it: a browser refuses that from a disk
    (TARGET / "index.html").write_text(page, encoding="utf-8")
    (TARGET / "static_index.html").unlink()
    return TARGET / "index.html"


def main() -> int:
    """Run the command line; return the exit code."""

    def work() -> list[Path]:
        OneLineParser(
            prog="scripts.docs", description="Write the documentation as one page."
        ).parse_args()
        return [write_page()]

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
