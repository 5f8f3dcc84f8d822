"""stdout holds what is documented, whatever happens; what went wrong is one sentence."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scripts.command_line import one_line
from tests.conftest import ROOT, Project
from tests.test_inputs import prices
from tests.test_run import SMALL, write_legs

SLOW_QUERY_IN_A_WORKER = """
from scripts.export import workers
from tests import slow_query
with workers() as pool:
    pool.submit(slow_query.run).result()
"""


def test_a_slow_query_draws_no_bar_on_stdout() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW_QUERY_IN_A_WORKER], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_messages_go_through_one_function() -> None:
    """Which escapes what a terminal would obey, and bears a closed stderr."""
    for path in (ROOT / "scripts").rglob("*.py"):
        names = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert names.count("print") == {"command_line.py": 2}.get(path.name, 0), path


def test_a_message_is_text_that_a_terminal_does_not_obey() -> None:
    assert (
        one_line("a\x1b[31m\nb\u202e c\t\u200bd\udcff") == "a\\x1b[31m b\\u202e c \\u200bd\\udcff"
    )
    assert one_line("龙虾USDT: 5 % – ok") == "龙虾USDT: 5 % – ok"


def shell(project: Project, out: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    """Export with the streams redirected as a shell does."""
    command = f'exec "$0" -m scripts.export --out "$1" {redirection}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, out],
        cwd=project.root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_full_stdout_is_told_and_the_results_stay(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    done = shell(sample_copy[0], tmp_path / "out", ">/dev/full")
    (folder,) = (tmp_path / "out").glob("20*")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: stdout cannot be written to (No space left on device)")
    assert last.endswith(f"The results are there: {folder}")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_closed_stderr_leaves_stdout_as_documented(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    """Messages would go to stdout, or into the next file that is opened."""
    done = shell(sample_copy[0], tmp_path / "out", "2>&- <&-")
    (folder,) = (tmp_path / "out").glob("20*")
    assert (done.returncode, done.stdout) == (0, f"{folder}\n")


def test_a_full_stderr_is_no_failure(sample_copy: tuple[Project, Path], tmp_path: Path) -> None:
    done = shell(sample_copy[0], tmp_path / "out", "2>/dev/full")
    (folder,) = (tmp_path / "out").glob("20*")
    assert (done.returncode, done.stdout) == (0, f"{folder}\n")


@pytest.mark.parametrize("flag", ["--spot", "--out", "--sweep", "a glob"])
def test_a_name_that_is_not_utf8_is_refused(project: Project, tmp_path: Path, flag: str) -> None:
    odd = f"{tmp_path}/".encode() + b"sp\xffot_BTCUSDT.parquet"
    flags = list(map(str, write_legs(tmp_path)))
    with open(odd, "wb") as file:
        file.write(b"PAR1")
    if flag == "a glob":
        flags[1] = f"{tmp_path}/sp*.parquet"
        arguments: list[str | bytes] = [*flags]
    else:
        arguments = [*flags, flag, odd]
    done = subprocess.run(
        [*project.command("scripts.run"), *arguments],
        cwd=project.root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "not UTF-8: rename" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("kilobytes", [700_000, 1_000_000])
def test_little_memory_is_told(
    new_project: Callable[[], Project], tmp_path: Path, kilobytes: int
) -> None:
    """Wherever it ends: when inputs are looked at, in dbt, or in a process of the export."""
    project = new_project()
    flags = list(map(str, [*write_legs(tmp_path), *SMALL, "--out", tmp_path / "out"]))
    command = f'ulimit -v {kilobytes}; exec "$0" -m scripts.run "$@"'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, *flags],
        cwd=project.root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: out of memory: close other programs")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_row_that_fails_a_test_is_one_line(project: Project, tmp_path: Path) -> None:
    """A file's name in it may hold line breaks and escape sequences."""
    spot, perp = prices()
    spot[100:103] = np.nan
    folder = tmp_path / "x\x1b[31m\nerror: y"
    done = project.run(*write_legs(folder, {"spot": spot, "perp": perp}), *SMALL)
    assert done.returncode == 1
    fault, kept = done.stderr.splitlines()
    assert "3 rows with a price that is null" in fault
    assert "x\\x1b[31m error: y/spot_BTCUSDT.parquet" in fault
    assert kept.startswith("The build is kept: duckdb -readonly ")
