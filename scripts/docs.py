"""Write the documentation of the project and its database as one page that needs no network.

usage: python -m scripts.docs

Prints the path of the page, and nothing else, to stdout. The page shows the database as it was
built last, with the SQL that its vars and files gave.
Exit 0: done. Exit 1: dbt failed. Exit 2: there is no build to document, or bad usage.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts.command_line import OneLineParser, one_line
from scripts.database import open_build
from scripts.project import DATABASE, ROOT
from scripts.run import QUICK_DBT, BuildError, exit_code, parse_event

TARGET = ROOT / "target" / "docs"
# where dbt's page asks for files that nobody has: an icon that was left out of it, and icons
# before their names are filled in
MENDED = {
    "${require('./assets/favicons/favicon.ico')}": "data:,",
    'xlink:href="{{': 'ng-attr-href="{{',
}


def write_page() -> Path:
    """Write the page; return its path.

    Raises InputError without a build, BuildError where dbt fails.
    """
    with open_build(DATABASE) as connection:
        (built_vars,) = connection.execute("select vars from int_build").fetchone()
    done = subprocess.run(
        [
            sys.executable, "-c", QUICK_DBT, "docs", "generate", "--static",
            "--target-path", str(TARGET), "--log-path", str(TARGET), "--vars", built_vars,
            "--log-format", "json", "--log-level", "error", "--log-level-file", "none",
            "--no-use-colors", "--no-send-anonymous-usage-stats", "--no-version-check",
        ],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if done.returncode:
        messages = [parse_event(line).get("msg", line) for line in done.stdout.splitlines()]
        raise BuildError(
            f"dbt docs failed: {one_line(' '.join(messages))} The files of the last build must be"
            " there: build again on those that are."
        )
    page = (TARGET / "static_index.html").read_text(encoding="utf-8")
    for asked, given in MENDED.items():
        page = page.replace(asked, given)
    # in place of dbt's own, which reads files beside it: a browser refuses that from a disk
    (TARGET / "index.html").write_text(page, encoding="utf-8")
    (TARGET / "static_index.html").unlink()
    return TARGET / "index.html"


def main() -> int:
    """Run, and turn what went wrong into an exit code and a message."""
    OneLineParser(
        prog="scripts.docs", description="Write the documentation as one page."
    ).parse_args()
    return exit_code(
        lambda: print(write_page()),
        "the page could not be written ({}): make room on the disk, or check the folder's rights.",
    )


if __name__ == "__main__":
    sys.exit(main())
