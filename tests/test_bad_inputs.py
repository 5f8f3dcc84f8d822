"""Bad input and usage: exit 2, one line with file, fault and remedy, before dbt is imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import inputs, run
from scripts.project import InputError, default_vars
from tests.conftest import ROOT, Project, write_parquet

BARS = 1_000


def bars(start: str = "2025-01-01", freq: str = "1h", periods: int = BARS) -> pd.DataFrame:
    """Return bars that nothing is wrong with."""
    times = pd.date_range(start, periods=periods, freq=freq, tz="UTC")
    close = 100 + np.sin(np.arange(periods) / 7)
    return pd.DataFrame({"timestamp": times, "close": close})


def prints(start: str = "2025-01-01", periods: int = BARS // 8) -> pd.DataFrame:
    """Return funding prints that nothing is wrong with."""
    times = pd.date_range(start, periods=periods, freq="8h", tz="UTC")
    return pd.DataFrame({"timestamp": times, "funding_rate": 1e-4})


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Path]:
    """Files of BTCUSDT that would run."""
    return {
        "spot": write_parquet(tmp_path / "spot_BTCUSDT.parquet", bars()),
        "perp": write_parquet(tmp_path / "perp_BTCUSDT.parquet", bars()),
        "funding": write_parquet(tmp_path / "funding_BTCUSDT.parquet", prints()),
    }


def refusal(files: dict[str, Path], *arguments: object) -> str:
    """Run in this process with bad input; return the sentence that it is refused with."""
    argv = [item for leg, path in files.items() for item in (f"--{leg}", str(path))]
    out = files["spot"].parent / "out"
    with pytest.raises(InputError) as refused:
        run.run([*argv, "--out", str(out), *map(str, arguments)])
    assert not out.exists()
    return str(refused.value)


def change(frame: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Return a frame with columns set."""
    return frame.assign(**columns)


# name: (leg, frame to write, words of the refusal)
BAD_FRAMES: dict[str, tuple[str, Callable[[], pd.DataFrame], list[str]]] = {
    "no time column": (
        "spot",
        lambda: bars().rename(columns={"timestamp": "when"}),
        ["no time column", "when, close", "timestamp, ts, time"],
    ),
    "no price column": (
        "perp",
        lambda: bars().rename(columns={"close": "price"}),
        ["no column close", "timestamp, price", "Rename"],
    ),
    "no rate column": (
        "funding",
        lambda: prints().rename(columns={"funding_rate": "x"}),
        ["no column funding_rate or fundingRate", "timestamp, x"],
    ),
    "text for prices": (
        "spot",
        lambda: change(bars(), close="100.5"),
        ["close is VARCHAR, not a number"],
    ),
    "text for volume": (
        "spot",
        lambda: change(bars(), volume="1"),
        ["volume is VARCHAR, not a number"],
    ),
    "text for rates": (
        "funding",
        lambda: change(prints(), funding_rate="1e-4"),
        ["VARCHAR, not a number"],
    ),
    "a boolean for times": (
        "spot",
        lambda: change(bars(), timestamp=True),
        ["timestamp is BOOLEAN, not a time"],
    ),
    "words for times": (
        "spot",
        lambda: change(bars(), timestamp="soon"),
        ["1000 of 1000 rows have no time that can be read"],
    ),
    "dates written as numbers": (
        "spot",
        lambda: change(bars(), timestamp=20250101),
        ["rows have no time"],
    ),
    "dates written as numbers, in text": (
        "spot",
        lambda: change(bars(), timestamp="20250101"),
        ["rows have no time"],
    ),
    "a time that never comes": (
        "spot",
        lambda: change(bars(), timestamp="infinity"),
        ["rows have no time"],
    ),
    "a time that is null": (
        "perp",
        lambda: change(bars(), timestamp=[pd.NaT, *bars()["timestamp"][1:]]),
        ["1 of 1000 rows have no time"],
    ),
    "no usable price": (
        "spot",
        lambda: change(bars(), close=np.nan),
        ["no usable price for BTCUSDT"],
    ),
    "negative prices": (
        "perp",
        lambda: change(bars(), close=-1.0),
        ["no usable price for BTCUSDT"],
    ),
    "no usable rate": (
        "funding",
        lambda: change(prints(), funding_rate=np.inf),
        ["no usable rate for BTCUSDT"],
    ),
    "no rows": ("spot", lambda: bars().iloc[:0], ["holds no row"]),
    "no overlap of the legs": (
        "perp",
        lambda: bars("2026-01-01"),
        ["share no time", "spot: 2025-01-01 00:00"],
    ),
    "funding outside the bars": (
        "funding",
        lambda: prints("2026-01-01"),
        ["share no time", "funding: 2026-01-01"],
    ),
    "fewer bars than the window": (
        "perp",
        lambda: bars(periods=100),
        ["at most 100 bars", "needs 722", "--beta_window"],
    ),
    "one row": ("spot", lambda: bars(periods=1), ["has a single bar of BTCUSDT"]),
    "times that are no bar opens": (
        "spot",
        lambda: change(bars(), timestamp=bars()["timestamp"] + pd.Timedelta("59min")),
        ["no time of BTCUSDT is a multiple of 60m", "open times"],
    ),
    "a time of 1970": (
        "spot",
        lambda: change(bars(), timestamp=[pd.Timestamp(0, tz="UTC"), *bars()["timestamp"][1:]]),
        ["1 of 1000 rows have no time", "2009 to 2099"],
    ),
    "zero prices": (
        "spot",
        lambda: change(bars(), close=0.0),
        ["no usable price for BTCUSDT"],
    ),
    "infinite prices": (
        "perp",
        lambda: change(bars(), close=np.inf),
        ["no usable price for BTCUSDT"],
    ),
    "booleans for prices": (
        "spot",
        lambda: change(bars(), close=True),
        ["close is BOOLEAN, not a number"],
    ),
    "lists for prices": (
        "spot",
        lambda: change(bars(), close=[[1.0]] * BARS),
        ["close is DOUBLE[], not a number"],
    ),
    "prices with commas": (
        "perp",
        lambda: change(bars(), close="64,000.5"),
        ["close is VARCHAR, not a number"],
    ),
    "times of day": (
        "spot",
        lambda: change(bars(), timestamp=bars()["timestamp"].dt.time),
        ["timestamp is TIME, not a time"],
    ),
    "durations for times": (
        "perp",
        lambda: change(bars(), timestamp=pd.Timedelta("1h")),
        ["timestamp is INTERVAL, not a time"],
    ),
    "times in a unit that is not known": (
        "spot",
        lambda: change(bars(), timestamp=bars()["timestamp"].dt.year),
        ["1000 of 1000 rows have no time"],
    ),
    "one time again and again": (
        "spot",
        lambda: change(bars(), timestamp=bars()["timestamp"][0]),
        ["has a single bar"],
    ),
    "a funding file for bars": (
        "perp",
        prints,
        ["no column close", "timestamp, funding_rate"],
    ),
    "a file of bars for funding": (
        "funding",
        bars,
        ["no column funding_rate", "timestamp, close"],
    ),
    "a contract of 1000 coins": (
        "perp",
        lambda: change(bars(), symbol="1000BTCUSDT"),
        ["1000BTCUSDT counts in 1000 coins of BTCUSDT", "divide the perp's prices by 1000"],
    ),
    "two symbols, none in the other leg": (
        "perp",
        lambda: pd.concat([change(bars(), symbol=pair) for pair in ("AUSDT", "BUSDT")]),
        ["no symbol is in every input", "perp: AUSDT BUSDT"],
    ),
    "another symbol": (
        "perp",
        lambda: change(bars(), symbol="ETHUSDT"),
        ["no symbol is in every input", "perp: ETHUSDT", "spot: BTCUSDT"],
    ),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_columns_and_rows(good: dict[str, Path], name: str) -> None:
    leg, make, words = BAD_FRAMES[name]
    write_parquet(good[leg], make())
    message = refusal(good)
    for word in words:
        assert word in message
    if not any(of_legs in message for of_legs in ("share", "no symbol is in", "counts in 1000")):
        assert good[leg].name in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"timestamp,close\n2025-01-01,1\n", "is not a parquet file"),
        (b"", "is not a parquet file"),
        (None, "is cut off"),
    ],
    ids=["csv", "empty", "truncated"],
)
def test_files_that_are_no_parquet(
    good: dict[str, Path], content: bytes | None, words: str
) -> None:
    whole = good["perp"].read_bytes()
    good["perp"].write_bytes(whole[: len(whole) // 2] if content is None else content)
    message = refusal(good)
    assert words in message
    assert good["perp"].name in message


def test_parquet_with_a_broken_middle(good: dict[str, Path]) -> None:
    whole = bytearray(good["spot"].read_bytes())
    whole[8 : len(whole) - 8] = b"\x00" * (len(whole) - 16)
    good["spot"].write_bytes(bytes(whole))
    message = refusal(good)
    assert "cannot be read" in message
    assert good["spot"].name in message


def looped(path: Path) -> Path:
    """Make a symlink to itself."""
    path.symlink_to(path)
    return path


def dangling(path: Path) -> Path:
    """Make a symlink to nothing."""
    path.symlink_to(path.with_name("gone"))
    return path


def pipe(path: Path) -> Path:
    """Make a named pipe, that would be waited on for ever."""
    os.mkfifo(path)
    return path


# name: (what is given in the place of a file, words of the refusal)
BAD_PATHS: dict[str, tuple[Callable[[Path], Path | str], list[str]]] = {
    "nothing there": (
        lambda folder: folder / "nowhere.parquet",
        ["nowhere.parquet does not exist", "check the path"],
    ),
    "a file as a folder": (
        lambda folder: folder / "spot_BTCUSDT.parquet" / "x.parquet",
        ["does not exist"],
    ),
    "a folder": (lambda folder: folder, ["is a folder", "/*.parquet"]),
    "a glob without a match": (
        lambda folder: folder / "no-*.parquet",
        ["no file matches", "check the pattern"],
    ),
    "a glob that matches other files": (
        lambda folder: (folder / "notes.txt").write_text("buy") and folder / "*.txt",
        ["notes.txt is not a parquet file"],
    ),
    "a symlink to nothing": (lambda folder: dangling(folder / "link"), ["link does not exist"]),
    "a symlink to itself": (
        lambda folder: looped(folder / "loop"),
        ["loop cannot be opened", "symbolic links"],
    ),
    "a pipe": (lambda folder: pipe(folder / "pipe"), ["is a pipe or a device"]),
    "a device": (lambda folder: Path("/dev/null"), ["/dev/null is a pipe or a device"]),
    "a name too long": (lambda folder: folder / ("x" * 300), ["cannot be opened", "too long"]),
    "SQL": (
        lambda folder: folder / "x'; drop table hedge_metrics; --",
        ["drop table", "not exist"],
    ),
    "shell": (
        lambda folder: folder / "$(touch here) `touch here` | tee",
        ["touch here", "not exist"],
    ),
    "a template": (lambda folder: folder / "{{ var('spot') }}{% raw %}", ["does not exist"]),
}


@pytest.mark.parametrize("name", BAD_PATHS)
def test_bad_paths(good: dict[str, Path], tmp_path: Path, name: str) -> None:
    make, words = BAD_PATHS[name]
    message = refusal(good | {"spot": good["spot"], "perp": make(tmp_path)})
    assert message.startswith(("--perp: ", str(tmp_path)))
    for word in words:
        assert word in message
    assert not list(tmp_path.rglob("here"))


@contextmanager
def without_rights() -> Iterator[None]:
    """Be a user that owns nothing, as tests may run as root, who may open anything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read(good: dict[str, Path], what: str) -> None:
    folder = good["spot"].parent / "closed"
    closed = write_parquet(folder / "spot_BTCUSDT.parquet", bars())
    opened = [*closed.parents][1:]
    modes = {path: path.stat().st_mode for path in opened}
    for path in opened[:3]:  # pytest's own folders
        path.chmod(0o755)
    (closed if what == "file" else folder).chmod(0)
    try:
        with without_rights(), pytest.raises(InputError) as refused:
            inputs.check(
                default_vars()
                | {
                    leg: inputs.file_pattern(leg, str(path), Path.cwd())
                    for leg, path in (good | {"spot": closed}).items()
                }
            )
    finally:
        folder.chmod(0o755)
        for path in opened[:3]:
            path.chmod(modes[path])
    assert "cannot be opened (Permission denied)" in str(refused.value)
    assert closed.name in str(refused.value)


def test_bars_of_two_sizes_in_one_glob(good: dict[str, Path]) -> None:
    folder = good["spot"].parent
    write_parquet(folder / "spot_BTCUSDT_5m.parquet", bars(freq="5min", periods=500))
    message = refusal(good | {"spot": folder / "spot_*.parquet"})
    assert "two sizes" in message
    assert "60m" in message
    assert "5m" in message


def test_bars_of_two_sizes_in_one_file(good: dict[str, Path]) -> None:
    both = pd.concat([bars(periods=300), bars("2025-01-13 12:00", freq="5min", periods=3000)])
    write_parquet(good["spot"], both)
    assert "two sizes" in refusal(good)


def test_seed_with_a_broken_row(
    good: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("macros", "models", "data/seeds"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copytree(ROOT / name, tmp_path / name)
    with (tmp_path / "data" / "seeds" / "hedge_strategies.csv").open("a") as seed:
        seed.write("half,rolling,maybe,20,,\n")
    monkeypatch.setattr("scripts.inputs.ROOT", tmp_path)
    message = refusal(good)
    assert "hedge_strategies.csv cannot be read" in message
    assert "as many cells in each row" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timeframe", "7m"], "timeframe 7m is not known: use one of 1m 3m 5m"),
        (["--timeframe", "30m"], "a bar every 60m: --timeframe must be a multiple"),
        (["--strategy", "magic"], "strategy magic is not known: use one of unhedged naive"),
        (["--fees_bps", "-1"], "fees_bps is -1: give a number from 0 to 10000"),
        (["--beta_window", "2"], "beta_window is 2: give a whole number from 3 up"),
        (["--beta_window", "10.5"], "beta_window is 10.5: give a whole number"),
        (["--vol_window", "1"], "vol_window is 1"),
        (["--beta_window", "2h"], "beta_window is 2h: give a whole number from 3 up, or a"),
        (
            ["--beta_window", "10d", "--timeframe", "1d", "--vol_window", "24h"],
            "vol_window is 24h: give a whole number from 2 up, or a duration of as many bars",
        ),
        (["--vol_window", "0d"], "vol_window is 0d"),
        (["--beta_window", "90d"], "a window of 2160 rows needs 2162"),
        (["--vol_target", "0"], "vol_target is 0"),
        (["--symbol", "DOGEUSDT"], "holds no row of DOGEUSDT"),
        (["--symbol", "x'; drop table y; --"], '--symbol is "x\'; drop table y; --"'),
        (["--symbol", "$(reboot)"], "--symbol is '$(reboot)': use letters"),
        (["--symbol", "BTCUSDT", "ETHUSTD"], "--symbol: ETHUSTD is in no input"),
    ],
)
def test_bad_parameters(good: dict[str, Path], arguments: list[str], words: str) -> None:
    assert words in refusal(good, *arguments)


def test_out_that_cannot_be_written(good: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    argv = [item for leg, path in good.items() for item in (f"--{leg}", str(path))]
    with pytest.raises(InputError, match="cannot be written to .*choose another folder"):
        run.run([*argv, "--out", str(tmp_path / "file" / "out")])


@pytest.mark.parametrize("missing", ["spot", "funding"])
def test_leg_that_is_needed(good: dict[str, Path], missing: str) -> None:
    del good[missing]
    argv = [item for leg, path in good.items() for item in (f"--{leg}", str(path))]
    with pytest.raises(InputError, match=f"--{missing} is missing"):
        run.run(argv)


def test_refusals_come_before_dbt_is_imported(good: dict[str, Path]) -> None:
    script = (
        "import sys; from scripts.run import main; code = main();"
        " assert not [name for name in sys.modules if name.startswith('dbt')]; sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--spot", good["spot"], "--funding", "nowhere.parquet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--spot", "nowhere.parquet", "--funding", "nowhere.parquet"],
        ["--fees_bps", "dear"],
        ["--no-such-flag"],
    ],
    ids=["file", "number", "flag"],
)
def test_the_command_says_it_in_one_line(project: Project, arguments: list[str]) -> None:
    done = project.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert not (project.root / "runs").exists()
