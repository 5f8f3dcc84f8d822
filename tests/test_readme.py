"""The README is run: each of its commands and queries, in order, in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests import dump_server
from tests.conftest import ROOT, Project, read_metrics

README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


FUNDING_PER_MONTH = next(query for query in blocks("sql") if "funding_pct" in query)
# running the tests runs this test
COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line != "make test"]


@pytest.fixture(scope="module")
def reader(sample_project: tuple[Project, Path], new_project: Callable[[], Project]) -> Project:
    """A project as a reader of the README has it: cloned, with the files that it names."""
    project = new_project()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, project.root)
    shutil.copytree(sample_project[0].root / "data" / "raw", project.root / "data" / "raw")
    (project.root / "my").mkdir()
    for leg, size in (("spot", "_5m"), ("perp", "_5m"), ("funding", "")):
        source = project.root / "data" / "raw" / f"binance_{leg}_BTCUSDT_sample{size}.parquet"
        rows = pd.read_parquet(source)
        # the months that the dumps overlap with, and one before: enough for the windows
        is_kept = rows["timestamp"].between("2025-07-01", "2025-10-01", inclusive="left")
        rows[is_kept].to_parquet(project.root / "my" / f"{leg}.parquet")
    write_files_of_other_tools(project)
    header, row = next(block for block in blocks("csv") if "slow_band" in block).splitlines()
    seed = project.root / "data" / "seeds" / "hedge_strategies.csv"
    assert seed.read_text().splitlines()[0] == header
    seed.write_text(f"{seed.read_text()}{row}\n")
    return project


def write_files_of_other_tools(project: Project) -> None:
    """Write the files that the README imports, with what the sample holds."""
    spot, perp, prints = (
        pd.read_parquet(project.root / "my" / f"{leg}.parquet")
        for leg in ("spot", "perp", "funding")
    )
    (project.root / "futures").mkdir()
    for frame, name in (
        (spot, "BTC_USDT-5m.feather"),
        (perp, "futures/BTC_USDT_USDT-5m-futures.feather"),
    ):
        frame.rename(columns={"timestamp": "date"}).to_feather(project.root / name)
    answers = [
        {
            "symbol": "BTCUSDT",
            "fundingTime": int(time.timestamp() * 1000),
            "fundingRate": f"{rate:.8f}",
            "markPrice": "",
        }
        for time, rate in zip(prints["timestamp"], prints["funding_rate"], strict=True)
    ]
    for name, part in (("fundingRate-1", answers[:100]), ("fundingRate-2", answers[100:])):
        (project.root / f"{name}.json").write_text(json.dumps(part))


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with two months of invented dumps."""
    with dump_server.serving(tmp_path_factory.mktemp("dumps")) as server:
        for month in ("2025-08", "2025-09"):
            for leg in ("spot", "perp", "funding"):
                server.publish(leg, month, interval="5m")
        yield server.url


def shell(project: Project, command: str, base_url: str = "") -> subprocess.CompletedProcess:
    """Run a command line of the README, in the environment that runs the tests."""
    if command.startswith("make "):
        # the environment is there already, and newer than what it was made from
        command += f" VENV={BIN.parent} -o {BIN.parent}/.installed"
    # a reader's shell: the environment's commands come first, and no make is running
    reader = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    reader["BASE_URL"] = base_url
    reader["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=project.root,
        env=reader,
        input="from hedge_metrics;",
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_commands(reader: Project, dumps: str) -> None:
    assert len(COMMANDS) == 12
    for command in COMMANDS:
        done = shell(reader, command, base_url=dumps)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        if "fetch" in command or "import_data" in command:
            paths = [Path(line) for line in done.stdout.splitlines()]
            assert len(paths) == (3 if "fetch" in command else 1)
            assert all(path.parent == reader.root / "data" / "raw" for path in paths)
            assert all(path.exists() for path in paths)
        elif "hedge-mvp" in command or "scripts." in command:
            folder = Path(done.stdout.strip())
            assert "slow_band" in read_metrics(folder)["strategies"], command
        elif command == "make docs":
            assert "compare_strategies" in Path(done.stdout.strip()).read_text()
        elif command.startswith("duckdb"):
            assert "rolling_ols" in done.stdout


@pytest.mark.parametrize("query", blocks("sql"))
def test_queries(sample_project: tuple[Project, Path], query: str) -> None:
    done = subprocess.run(
        [BIN / "duckdb", "-readonly", "-csv", sample_project[0].database, "-c", query],
        cwd=sample_project[0].root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 5


def test_funding_per_month_is_what_the_rows_say(sample_project: tuple[Project, Path]) -> None:
    done = subprocess.run(
        [
            BIN / "duckdb",
            "-readonly",
            "-csv",
            "-noheader",
            sample_project[0].database,
            "-c",
            FUNDING_PER_MONTH,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    months = [line.split(",") for line in done.stdout.splitlines()]
    assert [month for _, month, _, _ in months] == [f"2025-{month:02}" for month in range(1, 13)]
    total = (
        sample_project[0]
        .query("select funding from hedge_metrics where strategy = 'rolling_ols'")["funding"]
        .item()
    )
    assert sum(float(pct) for _, _, pct, _ in months) == pytest.approx(100 * total, abs=0.01)


def test_every_mart_and_column_is_described(sample_project: tuple[Project, Path]) -> None:
    assert sample_project[0].undescribed() == []


def test_every_flag_and_default_is_documented(sample_project: tuple[Project, Path]) -> None:
    done = sample_project[0].run("--help")
    for flag in (
        "--spot",
        "--perp",
        "--funding",
        "--symbol",
        "--timeframe",
        "--fees_bps",
        "--fees-bps",
        "--strategy",
        "--beta_window",
        "--vol_window",
        "--vol_target",
        "--sweep",
        "--as_of",
        "--as-of",
        "--out",
    ):
        assert flag in done.stdout
    assert "(default 720)" in done.stdout
