"""Attacks on the command line, the import, the download and the report.

Each ends in one of two ways: refused (exit code 2 and one line that says what is wrong, nothing
left behind), or handled, with the figures of the clean input. Real processes and real files.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import gzip
import hashlib
import html.parser
import io
import itertools
import json
import os
import pickle
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import dump_server
from tests.conftest import ROOT, Project, assert_documented, write_parquet
from tests.dump_server import DumpServer, Handler, bars, dump_path, serving, table, zipped

# what no terminal may get raw: control characters, and format characters (bidi, zero-width)
UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
WINDOWS = ("--beta_window", "20", "--vol_window", "5")
PEAK_MB = 1_500


# --------------------------------------------------------------------------- processes


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str
    seconds: float
    peak_mb: float


def peak_of(pid: int) -> float:
    """Return the most megabytes that a program held, 0 where none runs any more.

    Of its own: what the system counts at its end begins with what the tests held.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0


def ended(
    command: list[str | bytes],
    cwd: Path,
    *,
    env: dict[str, str | None] | None = None,
    shell: str = "",
    before: Callable[[], None] | None = None,
    limit_s: float = 60,
    kill: tuple[signal.Signals, float] | None = None,
) -> Ended:
    """Run a command to its end, with its output in files; it may neither hang nor swell.

    `shell` is what a shell does around `exec "$@"`, such as `exec "$@" >&-`; `kill` is a signal
    and the seconds after which it is sent.
    """
    variables = {**os.environ, **(env or {})}
    variables = {name: value for name, value in variables.items() if value is not None}
    wrapped = ["sh", "-c", shell, "sh", *command] if shell else command
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        process = subprocess.Popen(
            wrapped,
            cwd=cwd,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            preexec_fn=before,
            start_new_session=True,
        )
        due = list((kill,) if kill else ())
        peak_mb = 0.0
        while True:
            peak_mb = peak_of(process.pid) or peak_mb
            pid, status, _ = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if due and time.monotonic() - begun > due[0][1]:
                os.killpg(process.pid, due.pop()[0])
            if time.monotonic() - begun > limit_s:
                os.killpg(process.pid, signal.SIGKILL)
                os.wait4(process.pid, 0)
                process.returncode = -9
                pytest.fail(f"still running after {limit_s} s: {command[-6:]}")
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="surrogateescape"))
        arguments = [os.fsdecode(part) for part in command]
        is_stdout_open = ">" not in shell.replace("2>", "")
        if "-m" in arguments and is_stdout_open:
            name = arguments[arguments.index("-m") + 1]
            assert_documented(name, process.returncode, texts[0])
        return Ended(process.returncode, *texts, time.monotonic() - begun, peak_mb)


def module(name: str, *arguments: object) -> list[str | bytes]:
    """Return the command of a module of the project."""
    said = [argument if isinstance(argument, bytes) else str(argument) for argument in arguments]
    return [sys.executable, "-m", f"scripts.{name}", *said]


def without_override() -> None:
    """Make the permissions of files count for root too."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def printable(text: str) -> bool:
    """Whether a terminal shows a text as it is written, line by line."""
    return not any(
        unicodedata.category(character) in UNPRINTABLE for character in text if character != "\n"
    )


def tree(folder: Path) -> list[str]:
    """Return every path below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check_refused(done: Ended, *named: str) -> None:
    """Check that a process ended with one line that names what is wrong, and nothing else."""
    told = f"exit code {done.code}\nstdout: {done.out[-600:]!r}\nstderr: {done.err[-1500:]!r}"
    assert done.code == 2, told
    assert done.out == "", told
    assert "Traceback" not in done.err, told
    assert done.err.startswith("error: "), told
    assert done.err.endswith("\n"), told
    assert done.err.count("\n") == 1, told
    assert len(done.err) < 2_000, told
    assert printable(done.err), told
    for name in named:
        assert name in done.err, f"{name!r} is not named\n{told}"
    assert done.peak_mb < PEAK_MB, f"{done.peak_mb:.0f} MB"


# --------------------------------------------------------------------------- inputs

N = 250
TIMES = pd.date_range("2024-01-01", periods=N, freq="h")


def invented() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return bars of both legs, and prints."""
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, N)))
    spot = pd.DataFrame({"timestamp": TIMES, "close": close})
    perp = spot.assign(close=close * (1 + random.normal(0, 3e-4, N)))
    times = TIMES[::8]
    funding = pd.DataFrame(
        {"timestamp": times, "funding_rate": random.normal(1e-4, 1e-5, len(times))}
    )
    return spot, perp, funding


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a clean input, by leg."""
    folder = tmp_path_factory.mktemp("clean")
    return {
        leg: write_parquet(folder / f"{leg}.parquet", frame)
        for leg, frame in zip(("spot", "perp", "funding"), invented(), strict=True)
    }


def flags(legs: dict[str, object], **instead: object) -> list[object]:
    """Return the flags of the legs, some of them replaced."""
    return [part for leg, file in (legs | instead).items() for part in (f"--{leg}", file)]


@pytest.fixture
def refused(project: Project, legs: dict[str, Path], tmp_path: Path) -> Callable[..., Ended]:
    """Run with flags that must be refused; nothing may be left behind."""

    def attempt(*arguments: object, named: tuple[str, ...] = (), **how: object) -> Ended:
        instead = how.pop("instead", {})
        out = how.pop("out", tmp_path / "out")
        before = tree(tmp_path), tree(project.root / "data"), tree(project.root / "runs")
        how.setdefault("limit_s", 15)
        done = ended(
            module("run", *flags(legs, **instead), *WINDOWS, "--out", out, *arguments),
            project.root,
            **how,
        )
        check_refused(done, *named)
        after = tree(tmp_path), tree(project.root / "data"), tree(project.root / "runs")
        assert after == before
        return done

    return attempt


# --------------------------------------------------------------------------- run: flags


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("fees_bps", "1_0"),  # 10 for Python, a slip of 1.0 for a human
        ("fees_bps", "１０"),  # full-width digits
        ("slippage_bps", "٣"),  # an Arabic digit
        ("vol_target", "1e400"),  # read as infinity
        ("vol_target", "nan"),
        ("beta_window", "1_0"),
        ("vol_window", "３0d"),
        ("beta_window", "99999999999999999999"),  # beyond 64 bits
        ("vol_window", "1e3"),
    ],
)
def test_an_odd_spelling_of_a_number_is_refused_by_its_flag(refused, flag, value) -> None:
    done = refused(f"--{flag}={value}", named=(flag,))
    assert "hedge_strategies.csv" not in done.err.split("; see")[0], done.err


@pytest.mark.parametrize("value", ["1h' or '1'='1", "{{ 1 }}h;touch pwned", "１h"])
def test_a_timeframe_is_never_interpreted(refused, project: Project, value) -> None:
    refused(f"--timeframe={value}", named=("timeframe",))
    assert not (project.root / "pwned").exists()


@pytest.mark.parametrize("value", ["{{ 7*7 }}' or 1=1 --", "rolling_ols\x1b[2J\u202e"])
def test_a_strategy_is_never_interpreted(refused, value) -> None:
    done = refused("--strategy", value, named=("strategy",))
    assert "49" not in done.err


def test_an_empty_symbol_is_refused(refused) -> None:
    refused("--symbol", "", named=("--symbol",))


def test_a_symbol_of_bytes_that_are_no_text_is_refused(refused) -> None:
    refused("--symbol", b"BTC\xff\xfe", named=("symbol",))


def test_symbols_that_differ_only_unseen_are_refused(refused) -> None:
    """A zero-width space makes two of what looks like one."""
    refused("--symbol", "BTCUSDT", "BTC\u200bUSDT", named=("symbol",))


# --------------------------------------------------------------------------- run: paths


@pytest.mark.parametrize("scheme", ["http", "s3", "file"])
def test_an_input_is_never_fetched_from_a_url(
    refused, legs: dict[str, Path], tmp_path: Path, scheme: str
) -> None:
    with serving(tmp_path / "served") as server:
        shutil.copy(legs["spot"], server.root / "spot.parquet")
        url = {
            "http": f"{server.url}/spot.parquet",
            "s3": f"s3://spot/spot.parquet?s3_endpoint=127.0.0.1:{server.server_port}",
            "file": f"file://{legs['spot']}",
        }[scheme]
        refused(instead={"spot": url}, named=("--spot",))
        assert server.asked == []


@pytest.mark.parametrize("path", ["-", "/dev/zero"])
def test_an_input_that_is_no_file_is_refused(refused, path: str) -> None:
    refused(instead={"perp": path}, named=("--perp", path), limit_s=15)


def test_a_pipe_is_not_waited_for(refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    refused(instead={"funding": tmp_path / "pipe.parquet"}, named=("pipe.parquet",), limit_s=15)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_hostile_file_name_reaches_no_terminal_raw(refused, tmp_path: Path, is_there) -> None:
    path = tmp_path / "x\x1b[31m\nerror: y\u202egnp\x9b31m.parquet"
    if is_there:
        path.write_bytes(b"not a parquet file")
    refused(instead={"spot": path}, named=("spot",))


@pytest.mark.parametrize("how", ["same", "symlink", "hard link"])
def test_one_file_is_not_taken_for_both_legs(
    refused, legs: dict[str, Path], tmp_path: Path, how: str
) -> None:
    other = tmp_path / "perp.parquet"
    if how == "symlink":
        other.symlink_to(legs["spot"])
    elif how == "hard link":
        shutil.copy(legs["spot"], tmp_path / "spot.parquet")
        other.hardlink_to(tmp_path / "spot.parquet")
    spot = tmp_path / "spot.parquet" if how == "hard link" else legs["spot"]
    perp = spot if how == "same" else other
    refused(instead={"spot": spot, "perp": perp}, named=("--perp",))


@pytest.mark.parametrize("kind", ["below a file", "device", "dangling link", "loop", ""])
def test_an_output_path_that_cannot_be_a_folder_is_refused(refused, tmp_path: Path, kind) -> None:
    out = tmp_path / "taken"
    if kind == "dangling link":
        out.symlink_to(tmp_path / "file" / "nowhere")
        (tmp_path / "file").write_text("mine")
    elif kind == "loop":
        out.symlink_to(out)
    elif kind != "":
        out.write_text("mine")
    path = {"below a file": out / "x", "device": "/dev/null", "": ""}.get(kind, out)
    refused(out=path, named=("--out",))


def test_a_read_only_output_folder_is_refused_before_the_work(refused, tmp_path: Path) -> None:
    out = tmp_path / "locked"
    out.mkdir(mode=0o555)
    done = refused(out=out, named=("locked",), before=without_override)
    assert done.seconds < 8


def test_a_read_only_data_folder_is_told_in_a_line(
    new_project: Callable[[], Project], legs: dict[str, Path], tmp_path: Path
) -> None:
    project = new_project()
    (project.root / "data").chmod(0o555)
    done = ended(
        module("run", *flags(legs), *WINDOWS, "--out", tmp_path / "out"),
        project.root,
        before=without_override,
    )
    (project.root / "data").chmod(0o755)
    check_refused(done, "data")
    assert tree(tmp_path) == []


# --------------------------------------------------------------------------- run: parquet


def hostile_parquet(kind: str, path: Path) -> None:
    """Write a spot file that must be refused."""
    spot, _, _ = invented()
    close, stamps = pa.array(spot["close"]), pa.array(spot["timestamp"])
    names, columns = ["timestamp", "close"], [stamps, close]
    if kind == "letter case":
        names, columns = (
            ["timestamp", "close", "Close"],
            [stamps, close, pa.array(spot["close"] * 2)],
        )
    elif kind == "same name twice":
        names, columns = (
            ["timestamp", "close", "close"],
            [stamps, close, pa.array(spot["close"] * 2)],
        )
    elif kind == "two times that disagree":
        later = pa.array(spot["timestamp"] + pd.Timedelta("1D"))
        names, columns = ["timestamp", "open_time", "close"], [stamps, later, close]
    elif kind == "nested close":
        columns = [stamps, pa.StructArray.from_arrays([close], names=["close"])]
    elif kind == "nested symbol":
        nested = pa.StructArray.from_arrays([pa.array(["BTC"] * N)], names=["symbol"])
        names, columns = [*names, "symbol"], [*columns, nested]
    elif kind == "boolean close":
        columns = [stamps, pa.array([True, False] * (N // 2))]
    elif kind == "far future":
        columns = [
            pa.array(
                np.arange(N) * 3600_000_000 + 9_200_000_000_000_000_000 // 10, pa.timestamp("us")
            ),
            close,
        ]
    elif kind == "escape in a column":
        names = ["timestamp", '\x1b[31mclose"; drop table x; --\nerror: \u202e']
    elif kind == "ten thousand other columns":
        names = ["timestamp", *(f"x{number}" for number in range(10_000))]
        columns = [stamps, *([close] * 10_000)]
    elif kind == "no rows":
        columns = [stamps[:0], close[:0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pq.write_table(pa.Table.from_arrays(columns, names=names), path)
    content = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "lying footer":
        path.write_bytes(content[:-8] + b"\xff\xff\xff\x7fPAR1")
    elif kind == "broken pages":
        middle = len(content) // 3
        path.write_bytes(content[:60] + b"\xff" * middle + content[60 + middle :])
    elif kind == "html":
        path.write_bytes(b"PAR1<html>\x1b[31m</html>PAR1")


@pytest.mark.parametrize(
    "kind",
    [
        "letter case",
        "same name twice",
        "two times that disagree",
        "nested close",
        "nested symbol",
        "boolean close",
        "far future",
        "escape in a column",
        "ten thousand other columns",
        "no rows",
        "truncated",
        "lying footer",
        "broken pages",
        "html",
    ],
)
def test_a_hostile_parquet_file_is_refused_by_name(refused, tmp_path: Path, kind: str) -> None:
    hostile_parquet(kind, tmp_path / "spot.parquet")
    refused(instead={"spot": tmp_path / "spot.parquet"}, named=("spot.parquet",))


def test_a_file_whose_name_is_no_text_is_refused_or_read(
    project: Project, legs: dict[str, Path], tmp_path: Path
) -> None:
    """A name in Latin-1, beside a perp file that is missing."""
    name = os.fsencode(tmp_path) + b"/spot_\xe9.parquet"
    shutil.copy(legs["spot"], name)
    done = ended(
        module("run", *flags(legs, spot=name, perp=tmp_path / "absent.parquet")), project.root
    )
    check_refused(done)
    assert "absent.parquet" in done.err or "spot_" in done.err


# --------------------------------------------------------------------------- run: sweeps


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cell", "strategy,vol_target,is_vol_scaled\nodd,1_0,true\n"),
        ("cell", "strategy,vol_target,is_vol_scaled\nodd,１,true\n"),
        ("cell", "strategy,vol_target,is_vol_scaled\nodd,1e999,true\n"),
        ("cell", "strategy,beta_window\nodd,{{ 20 }}\x1b[31m\n"),
        ("cell", "strategy,beta_window\nodd,99999999999999999999\n"),
        ("cell", 'strategy,estimator\nodd,"rolling\' or 1=1 --"\n'),
        ("strategy", 'strategy,beta_window\n\x1b[31mred,20\n"a\nerror: b",20\nb\u202ea,20\n'),
        ("strategy", "strategy,beta_window\nsame,20\nsame,21\n"),
        ("strategy", "strategy,beta_window\nnaive,20\n"),
        ("column", "strategy,beta_window,beta_window\nodd,20,21\n"),
        ("column", "strategy,\x1b[31mbeta_window; drop table x\nodd,20\n"),
        ("table", "\x00" * 4096),
        ("table", '"' * 1_000_000),
        ("table", "strategy,beta_window\nodd,20,21,22\n"),
    ],
)
def test_a_hostile_sweep_is_refused_by_name(refused, tmp_path: Path, name, content) -> None:
    (tmp_path / "sweep.csv").write_text(content)
    refused("--sweep", tmp_path / "sweep.csv", named=("sweep",))


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "UTF-16", "bomb"])
def test_a_sweep_that_is_no_table_is_refused(refused, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sweep.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "bomb":
        path = tmp_path / "sweep.csv.gz"
        path.write_bytes(gzip.compress(b"strategy,beta_window\n") + gzip_bomb(50))
    elif kind == "UTF-16":
        path.write_text("strategy,beta_window\nodd,20\n", encoding="utf-16")
    refused("--sweep", "/dev/zero" if kind == "device" else path, named=("sweep",), limit_s=20)


@pytest.mark.parametrize(
    "name",
    [
        "</script><img src=x onerror=alert(1)>",
        "{{ 7*7 }}{% raw %}'; drop table hedge_metrics; --",
        "=cmd|'/C evil'!A1/../../../evil",
    ],
)
@pytest.mark.parametrize("place", ["a symbol", "a strategy"])
def test_a_name_that_is_more_than_a_name_is_refused(refused, tmp_path, place, name) -> None:
    if place == "a strategy":
        (tmp_path / "sweep.csv").write_text(f'strategy,beta_window\n"{name}",20\n')
        refused("--sweep", tmp_path / "sweep.csv", named=("sweep.csv", place))
    else:
        spot = write_parquet(tmp_path / "spot.parquet", invented()[0].assign(symbol=name))
        refused(instead={"spot": spot}, named=("spot.parquet", place))


# --------------------------------------------------------------------------- run: environment


def test_a_fault_is_told_by_its_code_with_stdout_and_stderr_closed(
    project: Project, legs: dict[str, Path], tmp_path: Path
) -> None:
    command = module("run", *flags(legs, spot=tmp_path / "absent.parquet"))
    for shell in ('exec "$@" >&-', 'exec "$@" 2>&-', 'exec "$@" >/dev/full', 'exec "$@" >&- 2>&-'):
        done = ended(command, project.root, shell=shell)
        assert done.code == 2, (shell, done.err)
        assert done.out == "", shell
        if "2>&-" not in shell:
            check_refused(done, "absent.parquet")


def test_a_working_folder_that_is_gone_is_told_in_a_line(
    project: Project, legs: dict[str, Path], tmp_path: Path
) -> None:
    shell = 'mkdir "$GONE" && cd "$GONE" && rmdir "$GONE" && exec "$@"'
    done = ended(
        module("run", "--spot", "spot.parquet"),
        tmp_path,
        shell=shell,
        env={"GONE": str(tmp_path / "gone"), "PYTHONPATH": str(project.root)},
    )
    check_refused(done)
    assert tree(tmp_path) == []


def test_a_fault_is_told_in_ascii_where_the_terminal_is_ascii(refused, tmp_path: Path) -> None:
    environment = {
        "LC_ALL": "C",
        "LANG": "C",
        "PYTHONIOENCODING": "ascii:strict",
        "PYTHONUTF8": "0",
    }
    refused(instead={"spot": tmp_path / "日本.parquet"}, named=("--spot",), env=environment)


# --------------------------------------------------------------------------- export, make


@pytest.mark.parametrize("kind", ["text", "other", "url", "pipe"])
def test_a_database_that_holds_no_build_is_refused(
    project: Project, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "build.duckdb"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "other":
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table t as select range as x from range(100000)")
    before = tree(tmp_path)
    database = "http://127.0.0.1:9/x.duckdb" if kind == "url" else path
    done = ended(
        module("export", "--database", database, "--out", tmp_path / "out"),
        project.root,
        limit_s=20,
    )
    check_refused(done, "x.duckdb" if kind == "url" else "build.duckdb")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("target", ["hedge-mvp", "fetch"])
def test_make_hands_its_variables_on_without_a_shell_reading_them(
    project: Project, tmp_path: Path, target: str
) -> None:
    """A stand-in environment whose python is the one that runs the tests."""
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / ".installed").touch()
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    hostile = f"x';touch {tmp_path}/pwned;'`touch {tmp_path}/pwned`\";touch {tmp_path}/pwned;\" *"
    variables = {"hedge-mvp": ["SPOT", "PERP", "OUT"], "fetch": ["START", "END", "BASE_URL"]}
    said = [f"{name}={hostile}" for name in variables[target]]
    if target == "fetch":
        said.append("SYMBOL=* `id` $$(id) ;id")
    done = ended(
        ["make", "--no-print-directory", "-f", str(ROOT / "Makefile"), target]
        + [f"VENV={tmp_path / 'venv'}", "-o", str(tmp_path / "venv" / ".installed"), *said],
        project.root,
    )
    lines = done.err.splitlines()
    assert done.code == 2, done.err
    assert lines[0].startswith("error: "), done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not (tmp_path / "pwned").exists()


# --------------------------------------------------------------------------- import


def closes(extra: str = "", header: str = "timestamp,close") -> str:
    """Return a CSV of hourly bars, with a last row."""
    rows = [f"2024-01-01 {hour:02}:00:00,{100 + hour}" for hour in range(20)]
    return "\n".join([header, *rows, *([extra] if extra else [])]) + "\n"


def ohlcv(*more: str) -> str:
    """Return the JSON of candles as CCXT gives them, with more elements."""
    first = 1_704_067_200_000
    rows = [
        f"[{first + 3_600_000 * hour}, 100.0, 102.0, 99.0, {100 + hour}, 5.0]" for hour in range(20)
    ]
    return f"[{', '.join([*rows, *more])}]"


def zip_of(*members: tuple[str, bytes]) -> bytes:
    """Return a zip with members of any name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def bomb(megabytes: int) -> Iterator[bytes]:
    """Yield a CSV that unpacks to many megabytes, in parts."""
    yield b"timestamp,close\n2024-01-01,1"
    yield from itertools.repeat(b"0" * 1_000_000, megabytes)


@functools.cache
def zip_bomb(megabytes: int) -> bytes:
    """Return a zip of a few hundred kilobytes whose member is huge."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("BTCUSDT-1h-2024-01.csv", "w", force_zip64=True) as member,
    ):
        for part in bomb(megabytes):
            member.write(part)
    return packed.getvalue()


def gzip_bomb(megabytes: int) -> bytes:
    """Return the same, gzipped; equal members one after the other are one stream."""
    begin, *_ = bomb(0)
    return gzip.compress(begin) + gzip.compress(b"0" * 50_000_000, 1) * (megabytes // 50)


LAST = 1_704_067_200_000 + 3_600_000 * 20
HOSTILE_IMPORTS: dict[str, tuple[str, Callable[[], bytes | str]]] = {
    "empty file": ("x.csv", lambda: ""),
    "NUL bytes": ("x.csv", lambda: b"timestamp,close\n" + b"\x00" * 5_000),
    "UTF-16": ("x.csv", lambda: closes().encode("utf-16")),
    "a million quotes": ("x.csv", lambda: '"' * 1_000_000),
    "an open quote": ("x.csv", lambda: closes('"2024-01-02,1')),
    "one line of 100 MB": ("x.csv", lambda: b"timestamp,close\n2024-01-01," + b"9" * 100_000_000),
    "close twice": (
        "x.csv",
        lambda: closes(header="timestamp,close,close").replace("00,", "00,1,"),
    ),
    "close and Close": (
        "x.csv",
        lambda: closes(header="timestamp,Close,close").replace("00,", "00,1,"),
    ),
    "two times that disagree": (
        "x.csv",
        lambda: closes(header="timestamp,open_time,close").replace("00,", "00,2023-01-01,"),
    ),
    "a price 1_0": ("x.csv", lambda: closes("2024-01-02 00:00:00,1_0")),
    "a price 0x10": ("x.csv", lambda: closes("2024-01-02 00:00:00,0x10")),
    "Arabic digits": ("x.csv", lambda: closes("2024-01-02 00:00:00,٣٠")),
    "an escape sequence": ("x.csv", lambda: closes("2024-01-02 00:00:00,\x1b[31m\u202e")),
    "an escape in the header": ("x.csv", lambda: closes(header="timestamp,\x1b[31mcl\u202eose")),
    "a price that overflows": ("x.csv", lambda: closes("2024-01-02 00:00:00,1e400")),
    "JSON nested deep": ("x.json", lambda: "[" * 100_000 + "]" * 100_000),
    "a key twice": (
        "x.json",
        lambda: '[{"timestamp": 1704067200000, "close": 1, "close": 2}]',
    ),
    "NaN in JSON": ("x.json", lambda: ohlcv(f"[{LAST}, 1, 1, 1, NaN, 1]")),
    "1e999 in JSON": ("x.json", lambda: ohlcv(f"[{LAST}, 1, 1, 1, 1e999, 1]")),
    "an endless integer": ("x.json", lambda: ohlcv(f"[{LAST}, 1, 1, 1, {'9' * 6_000}, 1]")),
    "true for a price": ("x.json", lambda: ohlcv(f"[{LAST}, 1, 1, 1, true, 1]")),
    "a lone surrogate": ("x.json", lambda: '[{"timestamp": "\\ud800", "close": 1}]'),
    "a key that is an escape": ("x.json", lambda: '[{"\\u001b[31m\\u202e": 1, "close": 1}]'),
    "JSON cut short": ("x.json", lambda: ohlcv()[:-40]),
    "a zip of two": (
        "x.zip",
        lambda: zip_of(("a.csv", closes().encode()), ("b.csv", closes().encode())),
    ),
    "a zip in a zip": ("x.zip", lambda: zip_of(("a.zip", zip_of(("a.csv", closes().encode()))))),
    "a zip that names an escape": ("x.zip", lambda: zip_of(("\x1b[31m\u202e.csv", b"no\n1\n"))),
    "a zip that is a bomb": ("x.zip", lambda: zip_bomb(1_200)),
    "a gzip that is a bomb": ("x.csv.gz", lambda: gzip_bomb(1_200)),
    "a pickle named feather": ("x.feather", lambda: b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR."),
}


def import_of(project: Project, out: Path, *files: object, **how: object) -> Ended:
    """Import files as hourly spot bars, of BTCUSDT unless told otherwise; return how it ended."""
    flags_of = ("--kind", "spot", "--symbol", how.pop("symbol", "BTCUSDT"), "--out", out)
    how.setdefault("limit_s", 40)
    return ended(module("import_data", *files, *flags_of), project.root, **how)


@pytest.fixture
def imported(project: Project, tmp_path: Path) -> Callable[..., Ended]:
    """Import files into a folder of the test's own; return how it ended."""
    return lambda *files, **how: import_of(project, how.pop("out", tmp_path / "out"), *files, **how)


@pytest.mark.parametrize("kind", HOSTILE_IMPORTS)
def test_a_hostile_file_is_not_imported(imported, project: Project, tmp_path: Path, kind) -> None:
    name, content = HOSTILE_IMPORTS[kind]
    made = content()
    (tmp_path / name).write_bytes(made if isinstance(made, bytes) else made.encode())
    done = imported(tmp_path / name)
    check_refused(done, name)
    assert tree(tmp_path) == [name]
    assert not (project.root / "pwned").exists()
    assert done.peak_mb < 1_000, f"{done.peak_mb:.0f} MB"


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "url", "locked"])
def test_what_is_no_file_is_not_imported(imported, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling link":
        path.symlink_to("nowhere")
    elif kind == "locked":
        path.write_text(closes())
        path.chmod(0)
    given = "http://127.0.0.1:9/x.csv" if kind == "url" else path
    before = tree(tmp_path)
    check_refused(imported(given, limit_s=15, before=without_override), Path(given).name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "symbol",
    [
        "../../evil",
        "",
        "A" * 300,
        "BTC\n\x1b[31m",
        "BTC\u200bUSDT",
        "ＢＴＣＵＳＤＴ",
        "{{ 7*7 }}",
        b"BTC\xff",
    ],
)
def test_a_hostile_symbol_is_not_imported(imported, tmp_path: Path, symbol) -> None:
    (tmp_path / "x.csv").write_text(closes())
    done = imported(tmp_path / "x.csv", symbol=symbol)
    if done.code == 0 and symbol == "../../evil":  # a name of the file, and no path
        assert re.fullmatch(r"imported_spot_\W*EVIL_1h\.parquet", tree(tmp_path / "out")[0])
        assert len(tree(tmp_path)) == 3
        return
    if done.code == 0 and symbol == "ＢＴＣＵＳＤＴ":  # another form of the same letters
        assert tree(tmp_path / "out") == ["imported_spot_BTCUSDT_1h.parquet"]
        return
    check_refused(done, "--symbol")
    assert tree(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("kind", ["file", "locked", "folder in the way", "corrupt", "pipe"])
def test_an_import_leaves_what_it_cannot_extend(imported, tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.csv").write_text(closes())
    out = tmp_path / "out"
    target = out / "imported_spot_BTCUSDT_1h.parquet"
    if kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
    if kind == "locked":
        out.chmod(0o555)
    elif kind == "folder in the way":
        target.mkdir()
    elif kind == "corrupt":
        target.write_bytes(b"PAR1 not a parquet file PAR1")
    elif kind == "pipe":
        os.mkfifo(target)
    before = tree(tmp_path)
    done = imported(tmp_path / "x.csv", before=without_override, limit_s=15)
    out.chmod(0o755)
    check_refused(done, "out" if kind in {"file", "locked"} else target.name)
    assert tree(tmp_path) == before


@pytest.fixture(scope="module")
def clean_import(project: Project, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an import of clean bars writes."""
    folder = tmp_path_factory.mktemp("clean_import")
    (folder / "x.csv").write_text(closes())
    done = import_of(project, folder / "out", folder / "x.csv")
    assert done.code == 0, done.err
    (file,) = (folder / "out").glob("*.parquet")
    return file.read_bytes()


def check_imported(done: Ended, out: Path, clean: bytes) -> None:
    """Check that an import wrote what a clean one writes, and nothing else."""
    assert done.code == 0, done.err
    assert "Traceback" not in done.err + done.out
    assert printable(done.out + done.err), (done.out, done.err)
    assert tree(out) == ["imported_spot_BTCUSDT_1h.parquet"]
    assert (out / "imported_spot_BTCUSDT_1h.parquet").read_bytes() == clean


@pytest.mark.parametrize("kind", ["mark", "two links", "hostile name", "latin name"])
def test_what_differs_only_outwardly_is_imported_as_it_is(
    imported, clean_import: bytes, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / ("x\x1b[31m{{ 7*7 }};\u202e'\n.csv" if kind == "hostile name" else "x.csv")
    path.write_text(closes(), encoding="utf-8-sig" if kind == "mark" else "utf-8")
    given: list[object] = [path]
    if kind == "two links":
        (tmp_path / "link.csv").symlink_to(path)
        (tmp_path / "again.csv").hardlink_to(path)
        given = [tmp_path / "link.csv", tmp_path / "again.csv"]
    elif kind == "latin name":
        given = [os.fsencode(tmp_path) + b"/x\xe9.csv"]
        os.rename(path, given[0])
    environment = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii:strict",
        "HOME": None,
        "TZ": "Asia/Gaza",
    }
    check_imported(imported(*given, env=environment), tmp_path / "out", clean_import)


def test_a_zip_with_a_path_in_it_writes_nowhere_else(
    imported, clean_import: bytes, tmp_path: Path
) -> None:
    """Either refused, or only its content is read."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.zip").write_bytes(zip_of(("../../evil.csv", closes().encode())))
    done = imported(tmp_path / "deep" / "x.zip", out=tmp_path / "deep" / "out")
    if done.code:
        check_refused(done, "x.zip")
    else:
        check_imported(done, tmp_path / "deep" / "out", clean_import)
    assert not [path for path in tree(tmp_path.parent) if path.endswith("evil.csv")]


def test_imports_at_once_and_killed_lose_nothing(
    imported, clean_import: bytes, tmp_path: Path
) -> None:
    """Of two halves at once both are in the file, unless one is refused; a later one has all."""
    header_, *rows = closes().splitlines()
    halves = [tmp_path / "first.csv", tmp_path / "last.csv"]
    for half, part in zip(halves, (rows[:10], rows[10:]), strict=True):
        half.write_text("\n".join([header_, *part]) + "\n")
    with ThreadPoolExecutor(4) as pool:
        killed = [
            pool.submit(imported, halves[0], kill=kill)
            for kill in ((signal.SIGKILL, 0.3), (signal.SIGTERM, 0.5))
        ]
        attempts = [pool.submit(imported, half) for half in halves]
    for attempt in killed:
        assert "Traceback" not in attempt.result().err, attempt.result().err
    taken = set()
    for attempt, part in zip(attempts, (rows[:10], rows[10:]), strict=True):
        if attempt.result().code == 0:
            taken |= {float(row.split(",")[1]) for row in part}
        else:
            check_refused(attempt.result())
    (file,) = (tmp_path / "out").glob("imported_*.parquet")
    assert taken <= set(pq.read_table(file)["close"].to_pylist())
    done = imported(*halves)
    assert done.code == 0, done.err
    assert tree(tmp_path / "out") == [file.name]
    (tmp_path / "clean.parquet").write_bytes(clean_import)
    assert rows_of(file) == rows_of(tmp_path / "clean.parquet")


@pytest.mark.parametrize(
    "shell",
    [
        'exec "$@" >&-',
        'exec "$@" 2>&-',
        'umask 077; ulimit -n 24; ulimit -v 1500000; exec "$@"',
    ],
)
def test_an_import_needs_no_more_than_its_files(
    imported, clean_import: bytes, tmp_path: Path, shell: str
) -> None:
    (tmp_path / "x.csv").write_text(closes())
    done = imported(tmp_path / "x.csv", shell=shell, env={"TMPDIR": "/nonexistent"})
    check_imported(done, tmp_path / "out", clean_import)


def test_an_import_whose_report_cannot_be_written_is_told(imported, tmp_path: Path) -> None:
    """The disk that takes its output is full: that is an exit code and a line, no trace."""
    (tmp_path / "x.csv").write_text(closes())
    done = imported(tmp_path / "x.csv", shell='exec "$@" >/dev/full')
    assert done.code in {0, 2}
    assert "Traceback" not in done.err, done.err
    assert "Exception ignored" not in done.err, done.err
    if done.code:
        *told, fault = done.err.splitlines()
        assert not any(line.startswith("error: ") for line in told)
        assert fault.startswith("error: stdout cannot be written to")
        assert fault.endswith("imported_spot_BTCUSDT_1h.parquet")


# --------------------------------------------------------------------------- fetch

DAY = ("--interval", "1d", "--start", "2024-01", "--end", "2024-01")
SPOT_PATH = dump_path("spot", "2024-01")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DumpServer]:
    """A server of one month of each leg."""
    with serving(tmp_path_factory.mktemp("dumps") / "root") as running:
        running.publish_months("2024-01")
        yield running


@pytest.fixture
def fetched(project: Project, server: DumpServer, tmp_path: Path) -> Iterator[Callable[..., Ended]]:
    """Fetch a month of daily bars into a folder; return how it ended."""

    def attempt(*arguments: object, symbol: object = "BTCUSDT", **how: object) -> Ended:
        out, url = how.pop("out", tmp_path / "out"), how.pop("url", server.url)
        how.setdefault("limit_s", 30)
        period = how.pop("period", DAY)
        command = module("fetch", "--symbol", symbol, *period, "--base-url", url, "--out", out)
        return ended(command + module("", *arguments)[3:], project.root, **how)

    yield attempt
    server.faults.clear()


@pytest.mark.parametrize(
    "symbol",
    [
        "BTC\r\nX-Evil: 1",
        "../../etc",
        "BTC?x=1#%2e%2e",
        "BTC\x1b[31m\u202eUSDT",
        "ＢＴＣＵＳＤＴ",
        "",
        "A" * 5_000,
        b"BTC\xff",
    ],
)
def test_a_hostile_symbol_is_not_asked_for(fetched, server, tmp_path: Path, symbol) -> None:
    server.asked_paths()
    check_refused(fetched(symbol=symbol, limit_s=15), "--symbol")
    assert server.asked_paths() == []
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "http://127.0.0.1:99999",
        "http://[::1",
        "SERVER/\r\nX-Evil: 1",
        "SERVER/\x1b[31m",
        "SERVER?x=",
        "SERVER#x",
        "http://１２７.0.0.1:9",
        "",
    ],
)
def test_a_hostile_address_is_refused(fetched, server, tmp_path: Path, url: str) -> None:
    check_refused(fetched(url=url.replace("SERVER", server.url)), "--base-url")
    assert tree(tmp_path) == []


def test_a_password_in_the_address_is_not_told(fetched, server, tmp_path: Path) -> None:
    """Neither in what is said, nor in what is left."""
    server.misbehave_always(SPOT_PATH, dump_server.status(403))
    done = fetched("--timeout", "1", url=server.url.replace("http://", "http://user:hunter2@"))
    assert done.code in {1, 2}
    assert "Traceback" not in done.err
    assert "hunter2" not in done.err + done.out
    assert not any(b"hunter2" in content for content in contents(tmp_path).values())


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--start", "２０２４-01"),
        ("--start", "0000-01"),
        ("--start", "2024-02"),  # after the end
        ("--end", "2024-01; id"),
        ("--jobs", "999999999"),
        ("--timeout", "nan"),
        ("--timeout", "-1"),
    ],
)
def test_an_odd_value_of_a_flag_fetches_nothing(fetched, server, tmp_path, flag, value) -> None:
    server.asked_paths()
    check_refused(fetched(f"{flag}={value}", limit_s=15), flag)
    assert server.asked_paths() == []
    assert tree(tmp_path) == []


def header(name: str, value: str, body: bytes | None = None, code: int = 200):
    """Answer with a header as given, and a body."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content if body is None else body)
        handler.close_connection = True

    return fault


def endless_chunks(handler: Handler, _: bytes) -> None:
    """Send chunks for as long as they are taken."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    chunk = b"100000\r\n" + b"0" * 0x100000 + b"\r\n"
    while not handler.server.released.is_set():
        handler.wfile.write(chunk)


def endless_drip(handler: Handler, _: bytes) -> None:
    """Send a byte now and then, so that no pause is ever long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not handler.server.released.wait(0.2):
        handler.wfile.write(b"0")


def wrong_zip(content: bytes, checksum: str | None = None):
    """Return the dump and its right checksum, whatever is in it."""
    name = Path(SPOT_PATH).name
    told = checksum or f"{hashlib.sha256(content).hexdigest()}  {name}\n"
    return (
        lambda handler, _: handler.answer(200, content),
        lambda handler, _: handler.answer(200, told.encode()),
    )


def changed_bars(change: Callable[[list[list[str]]], list[list[str]]]) -> bytes:
    """Return January's spot dump with its rows changed."""
    return zipped(dump=table(change(bars("spot", "2024-01"))))


def with_cell(column: int, value: str) -> Callable[[list[list[str]]], list[list[str]]]:
    """Return what puts a value into a row."""
    return lambda rows: [*rows[:5], [*rows[5][:column], value, *rows[5][column + 1 :]], *rows[6:]]


EVIL = zip_of(("../../evil.csv", table(bars("spot", "2024-01")).encode()))
TWO = zip_of(
    ("a.csv", table(bars("spot", "2024-01")).encode()),
    ("b.csv", table(bars("spot", "2024-01")).encode()),
)
JANUARY = zipped(dump=table(bars("spot", "2024-01")))


def marked(content: bytes) -> str:
    """Return a checksum as another system's tool might write it."""
    return f"\ufeff{hashlib.sha256(content).hexdigest().upper()} *{Path(SPOT_PATH).name}\r\n"


HOSTILE_ANSWERS: dict[str, Callable[[], object]] = {
    "a redirect in a loop": lambda: header("Location", f"/{SPOT_PATH}", b"", 302),
    "a redirect to a file": lambda: header("Location", "file:///etc/passwd", b"", 302),
    "a negative length": lambda: header("Content-Length", "-1"),
    "a length that is no number": lambda: header("Content-Length", "0x10"),
    "a length of one": lambda: header("Content-Length", "1"),
    "a page of HTML": lambda: header("Content-Type", "text/html", b"<html>\x1b[31m log in</html>"),
    "a bomb for an encoding": lambda: header("Content-Encoding", "gzip", gzip_bomb(1_200)),
    "a path in the zip": lambda: wrong_zip(EVIL),
    "two members": lambda: wrong_zip(TWO),
    "a zip that is a bomb": lambda: wrong_zip(zip_bomb(1_200)),
    "a huge checksum": lambda: wrong_zip(zipped(dump="x"), "0" * 50_000_000),
    "a checksum of escapes": lambda: wrong_zip(zipped(dump="x"), "\x1b[31m\u202e" * 20),
    "a checksum with a mark and in capitals": lambda: wrong_zip(JANUARY, marked(JANUARY)),
    "rows of another month": lambda: wrong_zip(changed_bars(lambda _: bars("spot", "2024-02"))),
    "rows of another size": lambda: wrong_zip(changed_bars(lambda _: bars("spot", "2024-01", 60))),
    "a negative price": lambda: wrong_zip(changed_bars(with_cell(4, "-1"))),
    "a price 1e999": lambda: wrong_zip(changed_bars(with_cell(4, "1e999"))),
    "a price 1_0": lambda: wrong_zip(changed_bars(with_cell(4, "1_0"))),
    "an escape for a price": lambda: wrong_zip(changed_bars(with_cell(4, "\x1b[31m\u202e"))),
    "no rows": lambda: wrong_zip(changed_bars(lambda _: [])),
    "a row cut short": lambda: wrong_zip(changed_bars(lambda rows: [*rows[:-1], rows[-1][:4]])),
}
# what happens once, to the first of several attempts
HOSTILE_ONCE = {
    "a length too long": header("Content-Length", "9" * 15),
    "a wait of years": header("Retry-After", "999999999", b"", 429),
    "a wait that is no number": header("Retry-After", "\x1b[31m-1e999", b"", 503),
    "chunks without an end": endless_chunks,
    "a drip without an end": endless_drip,
}


@pytest.fixture(scope="module")
def clean_fetch(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple]]:
    """The rows that a fetch of a month leaves where nothing is wrong."""
    folder = tmp_path_factory.mktemp("clean_fetch")
    with serving(folder / "root") as server:
        server.publish_months("2024-01")
        command = module("fetch", "--symbol", "BTCUSDT", *DAY, "--base-url", server.url)
        done = ended([*command, "--out", str(folder / "out")], project.root)
    assert done.code == 0, done.err
    files = contents(folder / "out")
    assert len(files) == 3
    return {name: rows_of(folder / "out" / name) for name in files}


def check_fetched(done: Ended, out: Path, clean: dict[str, list[tuple]]) -> None:
    """Check that a fetch has what a clean one has, or that only spot is refused, by its dump."""
    told = f"exit code {done.code}\nstdout: {done.out[-600:]!r}\nstderr: {done.err[-1500:]!r}"
    assert "Traceback" not in done.err, told
    assert printable(done.out + done.err), told
    assert done.peak_mb < 1_000, f"{done.peak_mb:.0f} MB"
    files = {name: rows_of(out / name) for name in contents(out) if name.endswith(".parquet")}
    if done.code == 0:
        assert files == clean, told
        return
    faults = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert done.code in {1, 2}, told
    assert 1 <= len(faults) <= 2, told
    assert Path(SPOT_PATH).name in faults[0], told
    assert len(done.err) < 2_000, told
    assert files == {name: rows for name, rows in clean.items() if "spot" not in name}, told


@pytest.mark.parametrize("kind", HOSTILE_ANSWERS)
def test_a_hostile_answer_becomes_no_bars(
    fetched, server, clean_fetch, tmp_path: Path, kind: str
) -> None:
    faults = HOSTILE_ANSWERS[kind]()
    if isinstance(faults, tuple):
        server.misbehave_always(SPOT_PATH, faults[0])
        server.misbehave_always(f"{SPOT_PATH}.CHECKSUM", faults[1])
    else:
        server.misbehave_always(SPOT_PATH, faults)
    check_fetched(fetched("--timeout", "1", limit_s=25), tmp_path / "out", clean_fetch)
    assert not [path for path in tree(tmp_path.parent) if path.endswith("evil.csv")]


@pytest.mark.parametrize("kind", HOSTILE_ONCE)
def test_an_answer_without_an_end_is_given_up(
    fetched, server, clean_fetch, tmp_path: Path, kind: str
) -> None:
    """The next attempt has the file; or it is refused."""
    server.misbehave(SPOT_PATH, HOSTILE_ONCE[kind])
    check_fetched(fetched("--timeout", "1", limit_s=15), tmp_path / "out", clean_fetch)


def test_a_dump_that_is_mended_is_taken_by_the_same_command(
    fetched, server, clean_fetch, tmp_path: Path
) -> None:
    """What was kept of a dump that was refused does not stand in the way."""
    faults = wrong_zip(changed_bars(lambda _: bars("spot", "2024-02")))
    server.misbehave_always(SPOT_PATH, faults[0])
    server.misbehave_always(f"{SPOT_PATH}.CHECKSUM", faults[1])
    assert fetched("--timeout", "1").code != 0
    server.faults.clear()
    done = fetched("--timeout", "1")
    assert done.code == 0, done.err
    check_fetched(done, tmp_path / "out", clean_fetch)


def test_the_last_of_two_rows_of_a_time_wins_and_is_told(fetched, server, tmp_path: Path) -> None:
    dump = changed_bars(lambda rows: [*rows, [*rows[-1][:4], "55", *rows[-1][5:]]])
    server.misbehave_always(SPOT_PATH, wrong_zip(dump)[0])
    server.misbehave_always(f"{SPOT_PATH}.CHECKSUM", wrong_zip(dump)[1])
    done = fetched("--timeout", "1")
    assert done.code == 0, done.err
    assert f"{Path(SPOT_PATH).name}: 1 row" in done.err
    (file,) = (tmp_path / "out").glob("*spot*")
    with duckdb.connect() as connection:
        rows = connection.execute("select close from read_parquet(?)", [str(file)]).fetchall()
    assert len(rows) == 31
    assert rows[-1] == (55,)


def test_what_another_host_has_is_held_to_the_checksum_of_the_first(
    fetched, server, clean_fetch, tmp_path: Path
) -> None:
    with serving(tmp_path / "other") as other:
        other.publish("spot", "2024-01", changed_bars(with_cell(4, "77")))
        address = f"http://localhost:{other.server_port}/{SPOT_PATH}"
        server.misbehave_always(SPOT_PATH, header("Location", address, b"", 302))
        done = fetched("--timeout", "1")
    assert done.code != 0
    check_fetched(done, tmp_path / "out", clean_fetch)


def rows_of(file: Path) -> list[tuple]:
    """Return the rows of a parquet file."""
    return [tuple(row.values()) for row in pq.read_table(file.open("rb")).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", [b"out '\"$(id) {{ 7*7 }} [x]*?", b"out\xe9"])
def test_fetches_at_once_and_killed_leave_what_one_leaves(
    fetched, server, clean_fetch, tmp_path: Path, name: bytes
) -> None:
    """Also into a folder with a hostile name, in a poor environment."""
    out = os.fsencode(tmp_path) + b"/" + name
    environment = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii:strict",
        "HOME": None,
        "TMPDIR": "/nonexistent",
    }
    if name == b"out\xe9":  # DuckDB writes to names in UTF-8 alone
        check_refused(fetched(out=out, env=environment), "--out")
        return
    server.delay_s = 0.2
    with ThreadPoolExecutor(4) as pool:
        attempts = [
            pool.submit(fetched, out=out, env=environment, kill=kill)
            for kill in ((signal.SIGKILL, 0.9), (signal.SIGTERM, 0.8), None, None)
        ]
    server.delay_s = 0
    for attempt in attempts:
        assert "Traceback" not in attempt.result().err, attempt.result().err
    for attempt in attempts[2:]:
        done = attempt.result()
        assert done.code == 0 or (done.code == 2 and done.err.count("\n") == 1), done.err
    again = fetched(out=out, env=environment)
    assert again.code == 0, again.err
    assert printable(again.out + again.err), again.out + again.err
    files = {
        name: rows_of(Path(os.fsdecode(out)) / name) for name in contents(Path(os.fsdecode(out)))
    }
    assert files == clean_fetch


# --------------------------------------------------------------------------- whole runs
#
# A whole run takes ten seconds: they go on in a thread, one after the other, while the refusals
# above are tested, and bundle what can be handled together. Several processes of pytest share them.

# names that are plain, and words or patterns elsewhere
HOSTILE_SYMBOLS = ["龙虾USDT", "select", "A/B", "A_B", "A:B-1.USDT", "null", "हिन्दी"]
HOSTILE_STRATEGIES = ["select", "null", "a/b:c-1.5", "naïve"]


@dataclass
class Bench:
    """Where whole runs are made, and what they have in common."""

    project: Project
    legs: dict[str, Path]
    folder: Path

    def run(self, out: str | bytes, *arguments: object, **how: object) -> tuple[Ended, Path]:
        """Run on the clean legs, unless others are given; return how it ended, and its folder."""
        path = os.fsencode(self.folder) + b"/" + os.fsencode(out)
        given = how.pop("legs", self.legs)
        how.setdefault("limit_s", 200)
        command = module("run", *flags(given), *WINDOWS, "--out", path, *arguments)
        return ended(command, self.project.root, **how), Path(os.fsdecode(path))


def hostile_names(bench: Bench) -> tuple[Ended, Path]:
    """Run hostile symbols and a clean one, in hostile files, into a hostile folder."""
    folder = bench.folder / "in $(id) {{ 7*7 }} 'x'"
    given = {}
    for leg, frame in zip(("spot", "perp", "funding"), invented(), strict=True):
        symbols = ["CLEAN", *HOSTILE_SYMBOLS]
        whole = pd.concat([frame.assign(symbol=symbol) for symbol in symbols])
        given[leg] = write_parquet(folder / f"{leg} ';--\"{{% raw %}}.parquet", whole)
    sweep = folder / "sweep ';--.csv"
    rows = "".join(f'"{name}",{20 + number}\n' for number, name in enumerate(HOSTILE_STRATEGIES))
    sweep.write_text("strategy,beta_window\n" + rows)
    environment = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii:strict",
        "HOME": None,
        "TZ": "Asia/Kathmandu",
        "TMPDIR": None,
    }
    return bench.run(
        "out $(id) {{ 7*7 }} 'x' \"y\"", "--sweep", sweep, legs=given, env=environment,
        shell='umask 077; exec "$@"',
    )  # fmt: skip


def hostile_files(bench: Bench) -> tuple[Ended, Path]:
    """Run on odd parquet files that hold the clean rows, with the inputs' folder for the output."""
    folder = bench.folder / "odd"
    folder.mkdir()
    spot, perp, funding = (
        pa.Table.from_pandas(frame, preserve_index=False) for frame in invented()
    )
    other = pa.array(np.zeros(N, dtype=np.int8))
    for number in range(10_000):
        spot = spot.append_column(f"x{number} {{{{ 7*7 }}}}", other)
    pq.write_table(spot, folder / "spot.parquet", compression="zstd")
    metadata = {b"symbol": b"EVIL", b"\x1b[31m": b"\xff\xfe", b"pandas": b"{"}
    perp = perp.replace_schema_metadata(metadata)
    with pq.ParquetWriter(folder / "perp.parquet", perp.schema) as writer:
        for start in range(0, N, 50):
            writer.write_table(perp.slice(start, 50))
            writer.write_table(perp.slice(0, 0))
    nulls = pa.DictionaryArray.from_arrays(
        pa.nulls(len(funding), pa.int32()), pa.array([], pa.string())
    )
    funding = funding.append_column("note", nulls)
    nested = pa.StructArray.from_arrays([pa.array(["EVIL"] * len(funding))], names=["symbol"])
    pq.write_table(funding.append_column("more", nested), folder / "funding.parquet")
    given = {leg: folder / f"{leg}.parquet" for leg in ("spot", "perp", "funding")}
    return bench.run(
        "odd", "--symbol", "CLEAN", legs=given, shell='ulimit -n 64; exec "$@"',
        env={"TMPDIR": "/nonexistent"},
    )  # fmt: skip


def at_once(bench: Bench) -> list[tuple[Ended, Path]]:
    """End two runs in the middle; then run twice where a part of it cannot be told."""
    ways = (
        ({"kill": (signal.SIGTERM, 4)}, {"kill": (signal.SIGKILL, 5)}),
        ({"shell": 'exec "$@" >/dev/full'}, {"shell": 'exec "$@" 2>&-'}),
    )
    runs = []
    for pair in ways:
        with ThreadPoolExecutor(2) as pool:
            runs += [pool.submit(bench.run, "once", "--symbol", "CLEAN", **how) for how in pair]
    return [run.result() for run in runs]


def control_characters(bench: Bench) -> tuple[Ended, Path]:
    """Run on a symbol that would write to the terminal what the tool does not say."""
    symbol = "A\x1b[31m\nerror: B\u202e\r\x00"
    folder = bench.folder / "control"
    given = {
        leg: write_parquet(folder / f"{leg}.parquet", frame.assign(symbol=symbol))
        for leg, frame in zip(("spot", "perp", "funding"), invented(), strict=True)
    }
    return bench.run("control_out", legs=given)


def short_of_memory(bench: Bench) -> tuple[Ended, Path]:
    """Run with 700 MB of addresses."""
    return bench.run("short", "--symbol", "CLEAN", shell='ulimit -v 700000; exec "$@"')


WHOLE_RUNS: dict[str, Callable[[Bench], object]] = {
    "test_hostile_names_are_text_in_all_that_a_run_leaves": hostile_names,
    "test_odd_parquet_files_give_the_figures_of_their_rows": hostile_files,
    "test_a_symbol_of_control_characters_reaches_no_terminal_raw": control_characters,
    "test_runs_at_once_that_cannot_be_told_give_the_figures": at_once,
    "test_a_run_short_of_memory_is_told": short_of_memory,
}


def made_once(name: str, bench: Bench) -> object:
    """Make a whole run, or wait for the process of pytest that makes it; return how it ended."""
    kept = bench.folder / f"{name}.pickle"
    with (bench.folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            try:
                result = WHOLE_RUNS[name](bench)
            except BaseException as error:
                result = error
            kept.write_bytes(pickle.dumps(result))
    result = pickle.loads(kept.read_bytes())
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.fixture(scope="module", autouse=True)
def whole_runs(
    request: pytest.FixtureRequest,
    new_project: Callable[[], Project],
    legs: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future]]:
    """The whole runs that the chosen tests need, under way."""
    items = [item for item in request.session.items if item.path == request.path]
    chosen = {item.name for item in items}
    if any("hostile" in item.fixturenames for item in items):
        chosen.add(next(iter(WHOLE_RUNS)))  # its clean symbol is what the others are compared with
    names = [name for name in WHOLE_RUNS if name in chosen]
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
        if os.environ["PYTEST_XDIST_WORKER"] != "gw0":
            names.reverse()  # each begins at an end
    if not names:
        yield {}
        return
    (shared / "whole").mkdir(exist_ok=True)
    bench = Bench(new_project(), legs, shared / "whole")
    pool = ThreadPoolExecutor(1)
    yield {name: pool.submit(made_once, name, bench) for name in names}
    pool.shutdown(cancel_futures=True)


def run_folders_in(out: Path) -> list[Path]:
    """Return the run folders in an output folder."""
    return sorted(path for path in out.iterdir() if re.match(r"\d{4}-\d\d-\d\d_", path.name))


def figures(folder: Path) -> dict:
    """Return the figures of a run folder's strategies."""
    return json.loads((folder / "metrics.json").read_text())["strategies"]


def check_figures(folder: Path, clean: Path) -> None:
    """Check that the figures are those of another run folder, but for the order of additions."""
    for strategy, expected in figures(clean).items():
        assert figures(folder)[strategy] == pytest.approx(
            expected, rel=1e-9, abs=1e-12, nan_ok=True
        )
    assert figures(folder).keys() == figures(clean).keys()


@pytest.fixture(scope="module")
def hostile(whole_runs: dict[str, Future]) -> tuple[Ended, dict[str, Path], Path]:
    """The run on hostile names: how it ended, its run folders by symbol, and its output folder."""
    done, out = whole_runs["test_hostile_names_are_text_in_all_that_a_run_leaves"].result()
    assert done.code == 0, done.err[-2_000:]
    folders = [path.parent for path in out.rglob("metrics.json") if "latest" not in path.parts]
    by_symbol = {}
    for folder in folders:
        by_symbol[json.loads((folder / "metrics.json").read_text())["symbol"]] = folder
    assert len(by_symbol) == len(folders)
    return done, by_symbol, out


def test_hostile_names_are_text_in_all_that_a_run_leaves(hostile) -> None:
    """The figures of each are those of the same rows under a clean name."""
    done, folders, out = hostile
    assert set(folders) == {"CLEAN", *HOSTILE_SYMBOLS}
    assert len(done.out.splitlines()) == len(folders)
    for symbol, folder in folders.items():
        check_figures(folder, folders["CLEAN"])
        bars = pd.read_csv(folder / "prices_merged.csv", keep_default_na=False)
        assert set(bars["symbol"]) == {symbol}
        assert len(bars) == N
        assert stat.S_IMODE((folder / "metrics.json").stat().st_mode) & 0o077 == 0
    assert "evil" not in {path.name for path in out.parents[2].iterdir()}
    assert "49" not in "".join(path.name for path in out.rglob("*") if path.is_dir())


class Page(html.parser.HTMLParser):
    """What a page's markup does, and the text that it shows."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.within: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        self.within = tag if tag in {"script", "style"} else None

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a script."""
        self.within = None

    def handle_data(self, data: str) -> None:
        """Note text."""
        if self.within == "script":
            self.scripts.append(data)
        elif self.within is None:
            self.text.append(data)


def test_a_report_shows_hostile_names_and_has_nothing_of_theirs(hostile) -> None:
    _, folders, _ = hostile
    for symbol, folder in folders.items():
        page = Page((folder / "report.html").read_text())
        clean = Page((folders["CLEAN"] / "report.html").read_text())
        assert symbol in "".join(page.text)
        assert [tag for tag, _ in page.tags] == [tag for tag, _ in clean.tags], symbol
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")], (tag, attributes)


def test_a_report_asks_for_nothing_and_sends_nothing(hostile) -> None:
    _, folders, _ = hostile
    page = Page((folders[HOSTILE_SYMBOLS[1]] / "report.html").read_text())
    forbidden = {"form", "iframe", "object", "embed", "base", "frame", "portal", "audio", "video"}
    assert not forbidden & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in (
            "src",
            "href",
            "srcset",
            "action",
            "poster",
            "ping",
            "formaction",
            "xlink:href",
        ):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:", "#")), (tag, name, value[:80])
        assert "refresh" not in str(attributes.get("http-equiv")).lower()
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(None, 1) for rule in policy.split(";") if rule.strip())
    assert rules["default-src"] == "'none'"
    assert not {"connect-src", "frame-src", "object-src"} & set(rules)
    assert "http" not in policy
    assert rules.get("form-action", "").strip() == "'none'"
    assert rules.get("base-uri", "").strip() == "'none'"


def test_hostile_strategies_of_a_sweep_are_scored_under_their_names(hostile) -> None:
    done, folders, _ = hostile
    assert printable(done.err + done.out), done.err
    text = json.dumps(json.loads((folders["CLEAN"] / "metadata.json").read_text()))
    assert "sweep ';--.csv" in text


def test_odd_parquet_files_give_the_figures_of_their_rows(whole_runs, hostile, request) -> None:
    done, out = whole_runs[request.node.name].result()
    assert done.code == 0, done.err[-2_000:]
    assert "EVIL" not in done.err
    (folder,) = run_folders_in(out)
    check_figures(folder, hostile[1]["CLEAN"])
    names = {path.name for path in out.iterdir()}
    assert names == {"spot.parquet", "perp.parquet", "funding.parquet", "latest", folder.name}


def test_symbols_have_folders_of_their_own(hostile) -> None:
    """Else `latest` is of one of them only."""
    _, folders, _ = hostile
    for symbol, folder in folders.items():
        latest = json.loads((folder.parent / "latest" / "metrics.json").read_text())
        assert latest["symbol"] == symbol


def test_a_symbol_of_control_characters_reaches_no_terminal_raw(whole_runs, request) -> None:
    """It is refused, or shown escaped."""
    done, _ = whole_runs[request.node.name].result()
    if done.code:
        check_refused(done, "spot.parquet")
    assert printable(done.out + done.err), (done.out, done.err)
    assert "\nerror: B" not in done.out + done.err


def test_runs_at_once_that_cannot_be_told_give_the_figures(whole_runs, hostile, request) -> None:
    """Run folders are complete or absent, and nothing of the runs that were ended early is left."""
    *early, (full, out), (quiet, _) = whole_runs[request.node.name].result()
    for done, _ in early:
        assert done.code != 0
        assert done.out == ""
        assert "Traceback" not in done.err, done.err
        assert "Exception ignored" not in done.err, done.err
    folders = run_folders_in(out)
    assert {path.name for path in out.iterdir()} == {"latest", *(path.name for path in folders)}
    for folder in folders:
        check_figures(folder, hostile[1]["CLEAN"])
    assert "Traceback" not in full.err, full.err
    assert "Exception ignored" not in full.err, full.err
    assert full.code in {0, 2}, full.err
    faults = [line for line in full.err.splitlines() if line.startswith("error: ")]
    assert len(faults) == (full.code == 2), full.err
    assert quiet.code == 0, quiet.out
    (line,) = quiet.out.splitlines()
    assert Path(line) in folders


def test_a_run_short_of_memory_is_told(whole_runs, hostile, request) -> None:
    done, out = whole_runs[request.node.name].result()
    assert "Traceback" not in done.err, done.err[-2_000:]
    if done.code == 0:
        (folder,) = run_folders_in(out)
        check_figures(folder, hostile[1]["CLEAN"])
    else:
        assert "memory" in done.err  # which the C library may be the one to say
        assert done.out == ""
        assert not out.exists() or run_folders_in(out) == []
