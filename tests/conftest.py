"""Fixtures: a copy of the project to run in, and files to run on."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from scripts import export
from scripts.database import samples_in

ROOT = Path(__file__).resolve().parents[1]
# real market data, not part of the project: tests that need them are skipped without them
MARKET_DATA = Path(os.environ.get("HEDGE_MARKET_DATA", ROOT.parent / "shared" / "data"))

needs_market_data = pytest.mark.skipif(
    not (MARKET_DATA / "raw").is_dir(),
    reason=f"no market data in {MARKET_DATA}: set HEDGE_MARKET_DATA to their folder",
)


# files that take half a minute or more: begun late, they would keep one process waiting
SLOW = (
    "test_attacks.py",
    "test_streams.py",
    "test_nothing_is_lost.py",
    "test_run.py",
    "test_readme.py",
    "test_market_data.py",
    "test_uncertainty.py",
    "test_sweeps.py",
    "test_import_data.py",
    "test_fetch.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files."""
    items.sort(key=lambda item: SLOW.index(item.path.name) if item.path.name in SLOW else len(SLOW))


# what a command writes; the others write parquet files
ENDINGS = {"scripts.docs": ".html", "scripts.notebook": ".ipynb", "scripts.plots": ".png"}


def assert_documented(command: str, code: int, stdout: str) -> None:
    """Assert that stdout is what a command's documentation says, and nothing else.

    It is a path a line, each of something that is whole: a run folder, a parquet file or a
    page. A command that fails prints nothing, but that a fetch still prints the files that it
    completed.
    """
    if command == "scripts.published" and not code:
        assert stdout.startswith("figure ")
        return
    lines = stdout.splitlines(keepends=True)
    assert all(line.endswith("\n") for line in lines), stdout
    paths = [Path(line.removesuffix("\n")) for line in lines]
    if code and command != "scripts.fetch":
        assert paths == []
    elif code == 0:
        assert paths
    assert len(paths) == len(set(paths))
    for path in paths:
        assert path.is_absolute()
        if command in ("scripts.run", "scripts.export"):
            assert (path / "metrics.json").is_file(), path
        else:
            assert path.suffix == ENDINGS.get(command, ".parquet")
            assert path.is_file()


class Project:
    """A copy of the project, with its own database and runs."""

    def __init__(self, root: Path) -> None:
        for name in (
            "dbt_project.yml",
            "profiles.yml",
            "models",
            "macros",
            "analyses",
            "tests",
            "scripts",
        ):
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("*.py", "__pycache__") if name == "tests" else None
                shutil.copytree(source, root / name, ignore=ignored)
            else:
                root.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, root / name)
        shutil.copytree(ROOT / "data" / "seeds", root / "data" / "seeds")
        self.root = root
        self.database = root / "data" / "hedge.duckdb"

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs a module of the project."""
        return [sys.executable, "-m", *arguments]

    def run(self, *arguments: object, module: str = "scripts.run") -> subprocess.CompletedProcess:
        """Run a module of the project with arguments; return how it ended."""
        done = subprocess.run(
            self.command(module, *map(str, arguments)),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if "--help" not in arguments:
            assert_documented(module, done.returncode, done.stdout)
        return done

    def run_folders(self, *arguments: object) -> list[Path]:
        """Run the hedge; return the run folders, of which there is at least one."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        folders = [Path(line) for line in done.stdout.splitlines()]
        assert folders
        return folders

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run dbt itself in the project's folder.

        In this process, which imports it once: each of its own would take two seconds to.
        """
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        command = [*arguments, "--no-send-anonymous-usage-stats", "--log-level-file", "none"]
        output = io.StringIO()
        gc.disable()  # as scripts.run has it
        with contextlib.chdir(self.root), contextlib.redirect_stdout(output):
            done = dbtRunner().invoke(command)
        gc.enable()
        DuckDBConnectionManager.close_all_connections()
        returncode = 0 if done.success else 2 if done.exception else 1
        return subprocess.CompletedProcess(command, returncode, output.getvalue())

    def build(self, **dbt_vars: object) -> dict[str, dict]:
        """Build without exporting; return what metrics.json would hold, by symbol."""
        done = self.dbt("build", "--vars", json.dumps(dbt_vars))
        assert done.returncode == 0, done.stdout
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return {
                sample[0]: export.metrics(connection, *sample) for sample in samples_in(connection)
            }

    def query(self, sql: str) -> pd.DataFrame:
        """Return the rows of a query on the built database."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchdf()

    def undescribed(self) -> list[tuple[str, str | None]]:
        """Return the tables, views and columns of the built database without a comment."""
        rows = self.query(
            "select relation, name from ("
            "  select table_name as relation, column_name as name, comment, schema_name, internal"
            "  from duckdb_columns()"
            "  union all select table_name, null, comment, schema_name, internal"
            "  from duckdb_tables()"
            "  union all select view_name, null, comment, schema_name, internal"
            "  from duckdb_views()"
            ") where not internal and schema_name = 'main' and trim(coalesce(comment, '')) = ''"
        )
        return list(rows.itertuples(index=False, name=None))


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Make copies of the project, each in a folder of its own."""
    return lambda: Project(tmp_path_factory.mktemp("project") / "hedge")


@pytest.fixture(scope="session")
def project(new_project: Callable[[], Project]) -> Project:
    """One copy for the tests that leave nothing behind that others would trip over."""
    return new_project()


def copy_of(root: Path, folder: Path, project: Project) -> tuple[Project, Path]:
    """Give a project what was built and run elsewhere; return it, and its copy of a run folder."""
    for name in ("data", "runs"):
        shutil.copytree(root / name, project.root / name, symlinks=True, dirs_exist_ok=True)
    return project, project.root / folder.relative_to(root)


@pytest.fixture(scope="session")
def sample_project(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Path]:
    """A project with the sample data in data/raw, run once without any flag.

    The first process that needs it runs it for all, and each has a copy.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root = shared / "sample"
    with (shared / "sample.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            first = Project(root)
            made = first.run(module="scripts.sample_data")
            assert made.returncode == 0, made.stderr
            first.run_folders()
    (folder,) = (root / "runs" / "BTCUSDT" / "hedge_mvp").glob("20*")
    return copy_of(root, folder, new_project())


@pytest.fixture(scope="module")
def sample_copy(
    sample_project: tuple[Project, Path], new_project: Callable[[], Project]
) -> tuple[Project, Path]:
    """The sample's project again, to build in and to disturb: others look at the first one."""
    project, folder = sample_project
    return copy_of(project.root, folder, new_project())


@pytest.fixture(scope="session")
def compiled(sample_project: tuple[Project, Path]) -> dict[str, str]:
    """The SQL of every model and test, as dbt compiles it for the sample, by name."""
    project, _ = sample_project
    done = project.dbt("compile", "--target-path", "target/compiled_alone")
    assert done.returncode == 0, done.stdout
    folder = project.root / "target" / "compiled_alone" / "compiled"
    return {path.stem: path.read_text() for path in folder.rglob("*.sql")}


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as a parquet file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        name = str(path).replace("'", "''")
        connection.execute(f"copy frame to '{name}' (format parquet)")
    return path


def read_metrics(folder: Path) -> dict:
    """Return a run folder's metrics.json."""
    return json.loads((folder / "metrics.json").read_text())
