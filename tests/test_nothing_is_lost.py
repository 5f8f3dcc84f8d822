"""What is written is whole, or what was there stays; what the dead leave is removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from scripts import database, export, files, inputs
from scripts.project import InputError
from tests.conftest import ROOT, Project
from tests.test_run import SMALL, write_legs

WRITER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
if sys.argv[2] == "writes":
    connection.execute("set checkpoint_threshold = '1GB'; create table mine as select 1 as one")
print("open", flush=True)
time.sleep(60)
"""
HOLDER = """
import sys, time
from pathlib import Path
from scripts.files import private_folder
with private_folder(Path(sys.argv[1]), ".writing-") as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@contextmanager
def process(code: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a program that prints a line and waits; kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


def new_database(path: Path, number: int) -> Path:
    """Write a database with a table of one number."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table numbers as select {number} as number")
    return path


def number_in(path: Path) -> int:
    """Return the number of a database."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute("from numbers").fetchall()[0][0])


@pytest.mark.parametrize("writes", ["writes", "only opens it"])
def test_a_database_that_is_written_to_is_not_replaced(tmp_path: Path, writes: str) -> None:
    """Its write-ahead log would lie beside the new one, which nobody could open then."""
    path, new = new_database(tmp_path / "hedge.duckdb", 1), new_database(tmp_path / "new", 2)
    with process(WRITER, path, writes):
        for replace in (
            database.check_is_replaceable,
            lambda old: database.replace_database(new, old),
        ):
            with pytest.raises(InputError, match="is open for writing in another program: close"):
                replace(path)
    assert number_in(path) == 1
    database.replace_database(new, path)
    # a killed writer leaves its log: it belongs to the old database
    assert {file.name for file in tmp_path.iterdir()} == {"hedge.duckdb"}
    assert number_in(path) == 2


def test_nobody_opens_the_old_database_while_it_is_replaced(tmp_path: Path) -> None:
    path = new_database(tmp_path / "hedge.duckdb", 1)
    with database.locked_against_writers(path), process(WRITER, path, "writes") as (_, line):
        assert line == ""
    assert not path.with_name("hedge.duckdb.wal").exists()


def test_readers_keep_the_database_that_they_opened(tmp_path: Path) -> None:
    path, new = new_database(tmp_path / "hedge.duckdb", 1), new_database(tmp_path / "new", 2)
    reader = (
        "import duckdb, sys\n"
        "connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print('open', flush=True); sys.stdin.readline()\n"
        "print(connection.execute('from numbers').fetchall(), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reader, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout
        assert running.stdout.readline() == "open\n"
        database.replace_database(new, path)
        assert running.communicate("\n", timeout=20)[0] == "[(1,)]\n"
    assert number_in(path) == 2


@pytest.mark.parametrize("fault", ["no database", "the log of another one"])
def test_a_database_that_cannot_be_opened_is_replaced_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    path, new = new_database(tmp_path / "hedge.duckdb", 1), new_database(tmp_path / "new", 2)
    if fault == "no database":
        path.write_bytes(b"no database" * 1000)
    else:
        other = new_database(tmp_path / "other.duckdb", 3)
        with process(WRITER, other, "writes"):
            shutil.copy(f"{other}.wal", f"{path}.wal")
        with pytest.raises(duckdb.Error):
            number_in(path)
    database.replace_database(new, path)
    told = capsys.readouterr().err
    assert told.startswith(f"{path} cannot be opened (")
    assert told.endswith("): this run replaces it.\n")
    assert number_in(path) == 2
    assert not path.with_name("hedge.duckdb.wal").exists()


def test_a_run_refuses_at_once_what_it_could_not_replace(
    new_project: Callable[[], Project], tmp_path: Path
) -> None:
    project = new_project()
    new_database(project.database, 1)
    begun = time.monotonic()
    with process(WRITER, project.database, "writes"):
        done = project.run(*write_legs(tmp_path), *SMALL, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "hedge.duckdb is open for writing in another program" in done.stderr
    assert time.monotonic() - begun < 10  # before dbt is started
    assert not (tmp_path / "out").exists()


def test_what_a_dead_process_left_is_removed_and_what_a_live_one_uses_is_not(
    tmp_path: Path,
) -> None:
    with process(HOLDER, tmp_path) as (dead, line):
        left = Path(line)
        dead.kill()
        dead.wait()
    (left / "half").write_text("half")
    with process(HOLDER, tmp_path) as (_, line):
        used = Path(line)
        assert not left.exists()  # the next one removed it
        with files.private_folder(tmp_path, ".writing-") as own:
            assert {*tmp_path.iterdir()} == {used, own}
    files.remove_abandoned(tmp_path, ".writing-")
    assert list(tmp_path.iterdir()) == []


def wait_for(found: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is there."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_next_export_removes_what_a_killed_one_left(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    """In the folder of the results, and in that of temporary files."""
    project, _ = sample_copy
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    command = project.command("scripts.export", "--out", str(out))
    with subprocess.Popen(
        command, cwd=project.root, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        wait_for(lambda: list(out.glob(".writing-*/*.csv")))
        os.killpg(running.pid, signal.SIGKILL)
    assert list(out.glob(".writing-*"))
    assert list(temporary.iterdir())
    done = subprocess.run(
        command, cwd=project.root, env=environment, capture_output=True, text=True, check=True
    )
    folder = Path(done.stdout.strip())
    assert {path.name for path in out.iterdir()} == {folder.name, "latest"}
    assert list(temporary.iterdir()) == []


def test_a_file_that_changes_while_it_is_read_is_noticed(
    new_project: Callable[[], Project], tmp_path: Path
) -> None:
    project = new_project()
    flags = write_legs(tmp_path)
    with subprocess.Popen(
        project.command("scripts.run", *map(str, [*flags, *SMALL, "--out", tmp_path / "out"])),
        cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        wait_for(lambda: list(project.root.glob("data/.building-*/data")))
        perp = Path(str(flags[3]))
        # another file of the same bytes, size and time: only its node tells
        shutil.copy2(perp, tmp_path / "new")
        (tmp_path / "new").replace(perp)
        stdout, stderr = running.communicate(timeout=120)
    assert (running.returncode, stdout) == (2, "")
    assert f"{perp} changed while it was read: run again" in stderr
    assert not (tmp_path / "out").exists()
    assert not project.database.exists()


def test_states_tell_what_came_went_and_changed(tmp_path: Path) -> None:
    write_legs(tmp_path)
    given = {
        leg: inputs.file_pattern(leg, f"{tmp_path}/{leg}_*.parquet", tmp_path)
        for leg in inputs.LEGS
    }
    before = inputs.states(given)
    assert len(before) == 3
    assert inputs.changed(before, inputs.states(given)) is None
    new = tmp_path / "perp_ETHUSDT.parquet"
    new.write_bytes(b"")
    assert inputs.changed(before, inputs.states(given)) == str(new)
    new.unlink()
    spot = tmp_path / "spot_BTCUSDT.parquet"
    os.utime(spot, ns=(spot.stat().st_atime_ns, spot.stat().st_mtime_ns))
    assert inputs.changed(before, inputs.states(given)) == str(spot)


def test_an_export_notices_files_that_changed_since_the_build(
    new_project: Callable[[], Project], tmp_path: Path
) -> None:
    project = new_project()
    write_legs(tmp_path)
    names = {leg: str(tmp_path / f"{leg}_BTCUSDT.parquet") for leg in inputs.LEGS}
    project.build(**names, beta_window=20, vol_window=5)
    perp = Path(names["perp"])
    whole = perp.read_bytes()
    for change in (
        lambda: os.utime(perp, (0, 0)),
        lambda: perp.write_bytes(whole[:-1]),
        perp.unlink,
    ):
        change()
        done = project.run("--out", tmp_path / "out", module="scripts.export")
        assert (done.returncode, done.stdout) == (2, "")
        assert str(perp) in done.stderr
        assert "build again" in done.stderr
        assert not (tmp_path / "out").exists()


def sample(base: Path, timeframe: str, *, is_alone: bool) -> export.Sample:
    """Return a finished run folder that has no name yet."""
    parent = base if is_alone else base / timeframe
    temporary = parent / ".writing-test"
    temporary.mkdir(parents=True)
    (temporary / "metrics.json").write_text(timeframe)
    return export.Sample("BTCUSDT", timeframe, temporary, base, parent)


def test_latest_leads_to_the_newest_run_of_one_or_several_timeframes(tmp_path: Path) -> None:
    def latest(*parts: str) -> str:
        return (tmp_path.joinpath(*parts) / "latest" / "metrics.json").read_text()

    export.publish([sample(tmp_path, "4h", is_alone=True)])
    assert latest() == "4h"
    export.publish([sample(tmp_path, name, is_alone=False) for name in ("1h", "4h", "1d")])
    assert [latest(), latest("1h"), latest("4h"), latest("1d")] == ["1h", "1h", "4h", "1d"]
    (folder,) = export.publish([sample(tmp_path, "4h", is_alone=True)])
    assert [latest(), latest("1h"), latest("4h"), latest("1d")] == ["4h", "1h", "4h", "1d"]
    assert (tmp_path / "4h" / "latest").resolve() == (tmp_path / "latest").resolve() == folder


def test_all_run_folders_get_their_names_or_none(tmp_path: Path) -> None:
    samples = [sample(tmp_path, name, is_alone=False) for name in ("1h", "4h")]
    (tmp_path / "4h" / "latest").mkdir()
    (tmp_path / "4h" / "latest" / "file").touch()
    with pytest.raises(OSError, match="directory"):
        export.publish(samples)
    assert not list(tmp_path.glob("*/20*"))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_latest_that_is_no_link_is_left_alone(
    sample_copy: tuple[Project, Path], tmp_path: Path, kind: str
) -> None:
    project, _ = sample_copy
    latest = tmp_path / "out" / "latest"
    latest.parent.mkdir()
    if kind == "folder":
        latest.mkdir()
    else:
        latest.write_text("mine")
    done = project.run("--out", tmp_path / "out", module="scripts.export")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{latest} is not a link" in done.stderr
    assert list(latest.parent.iterdir()) == [latest]


def test_what_dbt_parsed_is_kept_across_file_systems_or_not_at_all(tmp_path: Path) -> None:
    from scripts import manifest

    made = tmp_path / "partial_parse.msgpack"
    made.write_bytes(b"parsed")
    elsewhere = Path("/dev/shm") / f"hedge-{os.getpid()}"
    if elsewhere.parent.is_dir() and elsewhere.parent.stat().st_dev != tmp_path.stat().st_dev:
        try:
            manifest.keep(made, elsewhere / made.name, "key")
            assert manifest.read(elsewhere / made.name, "key") == b"parsed"
        finally:
            with suppress(FileNotFoundError):
                shutil.rmtree(elsewhere)
    (tmp_path / "file").touch()
    manifest.keep(made, tmp_path / "file" / made.name, "key")  # no folder: nothing is said
