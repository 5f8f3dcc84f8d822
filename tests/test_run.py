"""The command as a desk uses it: what it prints, leaves behind, and survives."""

from __future__ import annotations

import json
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scripts.project import folder_name
from tests.conftest import Project, read_metrics, write_parquet
from tests.test_inputs import PRINT_TIMES, TIMES, prices
from tests.test_odd_bars import ODD_NAME, legs_of
from tests.test_readme import FUNDING_PER_MONTH

DUCKDB = Path(sys.executable).with_name("duckdb")
SMALL = ["--beta_window", 20, "--vol_window", 5]


def write_legs(folder: Path, closes: dict[str, np.ndarray] | None = None) -> list[object]:
    """Write files of BTCUSDT; return the flags that name them."""
    closes = closes or dict(zip(("spot", "perp"), prices(), strict=True))
    flags: list[object] = []
    for leg, close in closes.items():
        frame = pd.DataFrame({"timestamp": TIMES[: len(close)], "close": close})
        flags += [f"--{leg}", write_parquet(folder / f"{leg}_BTCUSDT.parquet", frame)]
    frame = pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4})
    return [*flags, "--funding", write_parquet(folder / "funding_BTCUSDT.parquet", frame)]


SHORT = "NEWLISTING"  # 15 hours: fewer than the window
SINGLE = "ONEBAR"  # an hour more than the window and the two bars before it
COMPLETE = ["AAAUSDT", "BBBUSDT", SINGLE, ODD_NAME]


@pytest.fixture(scope="module")
def several(new_project: Callable[[], Project]) -> tuple[Project, list[object], list[Path], str]:
    """A run of several symbols: project, flags of its files, run folders, stderr."""
    project = new_project()
    spots, perps, fundings = (
        list(frames)
        for frames in zip(
            *(legs_of(symbol) for symbol in [*COMPLETE, SHORT, "NOFUNDING", "NOPERP"]), strict=True
        )
    )
    spots[2], perps[2] = (legs[2][: 22 * 12] for legs in (spots, perps))
    spots[4] = spots[4][:180]
    del perps[6], fundings[5]
    flags: list[object] = []
    for leg, frames in zip(("spot", "perp", "funding"), (spots, perps, fundings), strict=True):
        flags += [f"--{leg}", write_parquet(project.root / f"{leg}.parquet", pd.concat(frames))]
    done = project.run(*flags, *SMALL, "--out", "out")
    assert done.returncode == 0, done.stderr
    return project, flags, [Path(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def one(
    several: tuple, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> subprocess.CompletedProcess:
    """A run of one of them, into the folder that its last argument names."""
    return project.run(
        *several[1], *SMALL, "--symbol", "BBBUSDT", "--out", tmp_path_factory.mktemp("one") / "out"
    )


def test_several_symbols_get_a_folder_each(several: tuple) -> None:
    project, _, folders, _ = several
    assert [folder.parent for folder in folders] == [
        project.root / "out" / folder_name(symbol) for symbol in COMPLETE
    ]
    assert [read_metrics(folder)["symbol"] for folder in folders] == COMPLETE


def test_stdout_is_the_folder_and_stderr_the_table(
    one: subprocess.CompletedProcess, project: Project
) -> None:
    assert one.returncode == 0, one.stderr
    (folder,) = Path(one.args[-1]).glob("20*")
    assert one.stdout == f"{folder}\n"
    assert read_metrics(folder)["symbol"] == "BBBUSDT"
    for word in (
        "var. reduction",
        "Sharpe",
        "* rolling_ols",
        "Data incidents: none",
        "Next order (rolling_ols, dry run)",
        "days old",
    ):
        assert word in one.stderr
    # the last line says how to go on, and works
    command = one.stderr.splitlines()[-1].removeprefix("Ask in SQL: ")
    assert command.startswith("duckdb -readonly ")
    asked = subprocess.run(
        [DUCKDB, *shlex.split(command)[1:]], capture_output=True, text=True, check=True
    )
    assert "from hedge_verdict" in asked.stdout
    # nothing of the build is left beside the database
    assert not list(project.database.parent.glob(".building-*"))


def test_a_symbol_of_any_script_has_a_folder(several: tuple) -> None:
    project, _, folders, _ = several
    folder = project.root / "out" / "%E9%BE%99%E8%99%BE%3AA%2FB_c-1.USDT"
    assert folders[3].parent == folder
    assert read_metrics(folder / "latest")["symbol"] == ODD_NAME


def test_a_symbol_that_lacks_an_input_is_not_evaluated_and_named(several: tuple) -> None:
    project, _, _, stderr = several
    assert "NOFUNDING is not evaluated: it is only in spot and perp" in stderr
    assert "NOPERP is not evaluated: it is only in spot and funding" in stderr
    reason = f"{project.root}/spot.parquet: {SHORT} has at most 15 bars"
    assert f"{SHORT} is not evaluated: {reason}" in stderr
    short = project.query("select kind from data_incidents where symbol = 'NEWLISTING'")
    assert set(short["kind"]) == {"not_evaluated", "span_differs"}
    absent = project.query("select symbol, source from data_incidents where kind = 'leg_missing'")
    assert dict(absent.itertuples(index=False)) == {
        "NOFUNDING": "perp,spot",
        "NOPERP": "funding,spot",
    }


def test_a_single_evaluated_bar_has_undefined_figures(several: tuple) -> None:
    metrics = read_metrics(several[2][2])
    assert metrics["symbol"] == SINGLE
    assert metrics["sample"]["evaluated_bars"] == 1
    for figures in metrics["strategies"].values():
        undefined = {name for name, value in figures.items() if value is None}
        assert undefined == {
            "hedge_ratio_std",
            "variance_reduction",
            "variance_reduction_price",
            "sharpe",
            "volatility",
        }


def test_a_failed_test_leaves_no_folder_and_the_old_database(
    one: subprocess.CompletedProcess, project: Project, tmp_path: Path
) -> None:
    assert one.returncode == 0, one.stderr
    before = project.database.read_bytes()

    spot, perp = prices()
    spot[100:103] = np.nan
    flags = write_legs(tmp_path, {"spot": spot, "perp": perp})
    done = project.run(*flags, *SMALL, "--out", tmp_path / "bad")
    assert done.returncode == 1
    assert done.stdout == ""
    assert not (tmp_path / "bad").exists()
    assert project.database.read_bytes() == before
    assert "test no_incident_is_an_error failed with 1 row(s)" in done.stderr
    assert "spot: 3 rows with a price that is null, not finite or not positive" in done.stderr
    assert f"the first is row 101 of {tmp_path}/spot_BTCUSDT.parquet" in done.stderr
    assert "Traceback" not in done.stderr

    failed = project.database.with_name("hedge.failed.duckdb")
    assert f"duckdb -readonly {failed}" in done.stderr
    shown = subprocess.run(
        [
            DUCKDB,
            "-readonly",
            failed,
            "-json",
            "-c",
            "select affected from data_incidents where kind = 'unusable_price'",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout) == [{"affected": 3}]
    kept = subprocess.run(
        [
            DUCKDB,
            "-readonly",
            failed,
            "-csv",
            "-c",
            "select kind from main_dbt_test__audit.no_incident_is_an_error",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert kept.stdout.split() == ["kind", "unusable_price"]


def test_a_perp_that_never_moves_has_no_slope(project: Project, tmp_path: Path) -> None:
    """Without variance there is no ratio, and without a ratio no result: never a zero hedge."""
    spot, _ = prices()
    flags = write_legs(tmp_path, {"spot": spot, "perp": np.full(len(spot), 100.0)})
    done = project.run(*flags, *SMALL, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "some_symbol_is_evaluated" in done.stderr


def test_without_a_perp_risk_is_not_measured(project: Project, tmp_path: Path) -> None:
    flags = write_legs(tmp_path)
    done = project.run(*flags[:2], *flags[4:], *SMALL, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert "spot stands in for it" in done.stderr
    assert not (folder / "perp_snapshot.csv").exists()
    metrics = read_metrics(folder)
    assert metrics["perp_is_proxy"] is True
    assert json.loads((folder / "metadata.json").read_text())["perp_is_proxy"] is True
    assert metrics["incidents"] == {"perp_is_proxy": 1}
    page = (folder / "report.html").read_text()
    assert "No perp was given: spot stands in for it." in page
    assert page.count("Not measured: there is no perp") == 1
    assert 'data-query="total_return"' in page
    assert 'data-query="sharpe"' not in page
    risk = {
        "variance_reduction",
        "variance_reduction_price",
        "sharpe",
        "volatility",
        "max_drawdown",
        "pnl_max_drawdown",
    }
    for name, figures in metrics["strategies"].items():
        undefined = {figure for figure, value in figures.items() if value is None}
        assert undefined == (set() if name == "unhedged" else risk), name
    merged = pd.read_csv(folder / "prices_merged.csv")
    assert merged[["close_perp", "basis_bps"]].isna().all().all()
    assert metrics["strategies"]["naive"]["funding"] == pytest.approx(
        merged["funding_rate"][21:].sum()
    )


def test_readers_and_runs_do_not_disturb_each_other(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    """A reader has the database open through a whole run, and another comes in the middle."""
    project, _ = sample_copy
    with duckdb.connect(str(project.database), read_only=True) as reader:
        before = reader.execute("select count(*) from returns_decomposed").fetchone()
        with subprocess.Popen(
            project.command("scripts.run", "--fees_bps", "2", "--out", str(tmp_path / "out")),
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            during = subprocess.run(
                [
                    DUCKDB,
                    "-readonly",
                    "-csv",
                    "-noheader",
                    project.database,
                    "-c",
                    FUNDING_PER_MONTH,
                ],
                capture_output=True,
                text=True,
            )
            assert run.poll() is None  # it is still building
            assert run.wait(timeout=300) == 0, run.stderr.read()
        assert len(during.stdout.splitlines()) == 12, during.stderr
        assert reader.execute("select count(*) from returns_decomposed").fetchone() == before
    fees = project.query("select vars from int_build")["vars"].item()
    assert json.loads(fees)["fees_bps"] == 2


def test_dbt_build_and_export_do_the_same(sample_copy: tuple[Project, Path]) -> None:
    project, folder = sample_copy
    # another command first: what dbt parsed for it serves the build as well
    assert project.dbt("parse").returncode == 0
    built = project.dbt("build", "--quiet")
    assert built.returncode == 0, built.stdout
    done = project.run(module="scripts.export")
    assert done.returncode == 0, done.stderr
    exported = Path(done.stdout.strip())
    assert exported.parent == folder.parent
    actual, expected = read_metrics(exported), read_metrics(folder)
    assert actual.keys() == expected.keys()
    for name, figures in expected["strategies"].items():
        assert actual["strategies"][name] == pytest.approx(figures, rel=1e-9, abs=1e-12)


def test_two_runs_in_one_second_do_not_collide(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    project, _ = sample_copy
    commands = [
        subprocess.Popen(
            project.command("scripts.export", "--out", str(tmp_path / "out")),
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    folders = {command.communicate(timeout=120)[0].strip() for command in commands}
    assert len(folders) == 3
    assert all((Path(folder) / "metrics.json").exists() for folder in folders)
    assert str((tmp_path / "out" / "latest").resolve()) in folders


def test_a_build_that_failed_is_not_exported(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    """Models upstream of a failed test are new, those downstream old: nobody may read the mix.

    The next test runs the project anew.
    """
    project, _ = sample_copy
    for arguments, exit_code in (
        (("run", "-s", "int_bars"), 0),
        (("build", "-s", "+hedge_metrics", "--exclude-resource-type", "test"), 0),
        (("build", "--exclude", "no_incident_is_an_error"), 0),
        (("build", "--vars", "{strategy: magic}"), 1),
    ):
        assert project.dbt(*arguments).returncode == exit_code
        exported = project.run("--out", tmp_path / "bad", module="scripts.export")
        assert exported.returncode == 2
        assert "did not pass: run the whole of dbt build again" in exported.stderr
        assert not (tmp_path / "bad").exists()


def test_only_the_process_behind_the_workers_ends_at_once(project: Project) -> None:
    code = "import sys, scripts.preloaded; sys.exit(3)"
    done = subprocess.run([sys.executable, "-c", code], cwd=project.root, timeout=60)
    assert done.returncode == 3


def test_a_table_is_replaced_whole_or_not_at_all(new_project: Callable[[], Project]) -> None:
    project = new_project()
    model = project.root / "models" / "hedge" / "trial.sql"
    for sql, exit_code, kind, found in (
        ("select 1 as one", 0, "BASE TABLE", 1),
        ("select error('no') as one", 1, "BASE TABLE", 1),
        ("{{ config(materialized='view') }} select 2 as one", 0, "VIEW", 2),
        ("select error('no') as one", 1, "VIEW", 2),
        ("select 3 as one", 0, "BASE TABLE", 3),
    ):
        model.write_text(sql)
        done = project.dbt("run", "-s", "trial")
        assert done.returncode == exit_code, done.stdout
        relations = project.query(
            "select table_type from information_schema.tables where table_name like 'trial%'"
        )
        assert list(relations.table_type) == [kind]
        assert list(project.query("select one from trial").one) == [found]


def processes_of(group: int) -> list[str]:
    """Return the processes of a group that live, as ps tells them."""
    told = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    return [
        line
        for line in told.splitlines()
        if line.split()[0] == str(group) and not line.split()[1].startswith("Z")
    ]


def test_a_killed_run_leaves_no_folder_and_is_cleaned_up(
    sample_copy: tuple[Project, Path], tmp_path: Path
) -> None:
    project, _ = sample_copy
    run = subprocess.Popen(
        project.command("scripts.run", "--out", str(tmp_path / "out")),
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(timeout=4)
    assert len(processes_of(run.pid)) >= 3  # its own, dbt, and those that write run folders
    run.kill()
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 20
    while processes_of(run.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes_of(run.pid)
    assert list(project.database.parent.glob(".building-*"))
    assert not list((tmp_path / "out").glob("*"))
    project.run_folders("--out", tmp_path / "out")
    assert not list(project.database.parent.glob(".building-*"))


@pytest.mark.parametrize("room_mb", [0.3, 2.0])
def test_a_full_disk_leaves_nothing_and_is_told(
    sample_copy: tuple[Project, Path], tmp_path: Path, room_mb: float
) -> None:
    """No file may grow beyond a size, as where no more blocks are left."""
    project, _ = sample_copy
    before = project.database.read_bytes()

    def fill_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(room_mb * 1e6),) * 2)

    done = subprocess.run(
        project.command(
            "scripts.run",
            "--timeframe",
            "4h",
            "--beta_window",
            "100",
            "--out",
            str(tmp_path / "out"),
        ),
        cwd=project.root,
        preexec_fn=fill_disk,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: the results could not be written (")
    assert "File too large" in done.stderr
    assert "make room on the disk" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.*"))
    assert not list(project.database.parent.glob(".building-*"))
    assert project.database.read_bytes() == before


def test_export_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    done = project.run("--database", tmp_path / "no.duckdb", module="scripts.export")
    assert done.returncode == 2
    assert "does not exist: build it with dbt build" in done.stderr
