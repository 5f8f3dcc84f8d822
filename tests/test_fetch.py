"""Fetching the exchange's dumps from a server of this machine: complete, checked, resumable."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import pty
import random
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import duckdb
import pytest
import requests
import tenacity

from scripts import fetch, sample_data
from tests.conftest import MARKET_DATA, ROOT, assert_documented, needs_market_data
from tests.dump_server import (
    KLINE_HEADER,
    PRINT_HEADER,
    DumpServer,
    Fault,
    Rows,
    bars,
    drip,
    dump_path,
    endless,
    hang,
    hang_within,
    prints,
    raw,
    reset,
    serving,
    status,
    table,
    truncated,
    zipped,
)

FILE_NAMES = {
    "spot": "binance_spot_BTCUSDT_1d.parquet",
    "perp": "binance_perp_BTCUSDT_1d.parquet",
    "funding": "binance_funding_BTCUSDT.parquet",
}
LEGS = list(FILE_NAMES)
DAYS_OF_MARCH = [f"2024-03-{day:02}" for day in range(1, 32)]


@dataclass
class Outcome:
    """How a fetch ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong."""
        return [line for line in self.stderr.splitlines() if line.startswith("error: ")]


Call = Callable[..., Outcome]
Spoil = Callable[[DumpServer], object]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DumpServer]:
    """A server on which nothing is published yet."""
    with serving(tmp_path / "published") as server:
        yield server


@pytest.fixture
def call(
    server: DumpServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Run the command in this process, with little back-off: first and last month, flags."""
    monkeypatch.setattr(fetch, "BACK_OFF", tenacity.wait_fixed(0.02))

    def run(start: str, end: str, out: Path, *flags: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fetch", *command_line(server, start, end, out, *flags)])
        capfd.readouterr()
        try:
            code = fetch.main()
        except SystemExit as refused:
            code = refused.code
        outcome = Outcome(code, *capfd.readouterr())
        if "--help" not in flags:
            assert_documented("scripts.fetch", outcome.code, outcome.stdout)
        return outcome

    return run


def command_line(server: DumpServer, start: str, end: str, out: Path, *flags: object) -> list[str]:
    """Return the arguments of a fetch; flags come after, and so override."""
    return [
        "--symbol",
        "BTCUSDT",
        "--interval",
        "1d",
        "--base-url",
        server.url,
        "--start",
        start,
        "--end",
        end,
        "--out",
        str(out),
        *map(str, flags),
    ]


def start_process(
    server: DumpServer, start: str, end: str, out: Path, *flags: object, **options: object
) -> subprocess.Popen:
    """Start the command as a process of its own, that writes texts to pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "scripts.fetch", *command_line(server, start, end, out, *flags)],
        cwd=ROOT,
        text=True,
        **{
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            # tests may run in the background, where an interrupt is ignored, also by children
            "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        }
        | options,
    )


def contents(out: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def rows(path: Path, columns: str = "*") -> list[tuple]:
    """Return a parquet file's rows in their order, times in UTC."""
    return READER.execute(
        f"select {columns} from read_parquet(?, file_row_number = true) order by file_row_number",
        [str(path)],
    ).fetchall()


READER = duckdb.connect()
READER.execute("set timezone = 'UTC'")
BAR_COLUMNS = "epoch_ms(timestamp), open, high, low, close, volume, quote_volume"
PRINT_COLUMNS = "epoch_ms(timestamp), symbol, funding_rate, funding_interval_hours"


def invented(leg: str, *periods: str) -> list[tuple]:
    """Return the rows that the parquet file of some months or days is to hold."""
    if leg == "funding":
        return [
            (int(row[0]), "BTCUSDT", float(row[2]), int(row[1]))
            for period in periods
            for row in prints(period)
        ]
    return [
        (int(row[0]), *(float(row[column]) for column in (1, 2, 3, 4, 5, 7)))
        for period in periods
        for row in bars(leg, period)
    ]


def fetched(out: Path, leg: str) -> list[tuple]:
    """Return the rows of a leg that was fetched."""
    return rows(out / FILE_NAMES[leg], PRINT_COLUMNS if leg == "funding" else BAR_COLUMNS)


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something to happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@needs_market_data
def test_january_and_february_equal_the_market_data(tmp_path: Path) -> None:
    """The one complete run as a user starts it."""
    with serving(MARKET_DATA / "dumps") as server:
        run = start_process(server, "2025-01", "2025-02", tmp_path / "out", "--interval", "5m")
        stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == 0, stderr
    paths = [Path(line) for line in stdout.splitlines()]
    assert [path.name for path in paths] == [
        "binance_spot_BTCUSDT_5m.parquet",
        "binance_perp_BTCUSDT_5m.parquet",
        "binance_funding_BTCUSDT.parquet",
    ]
    for path, columns, raw_columns, count in zip(
        paths,
        ["timestamp, open, high, low, close, volume"] * 2 + ["timestamp, symbol, funding_rate"],
        ["timestamp, open, high, low, close, volume"] * 2 + ["timestamp, symbol, fundingRate"],
        [59 * 288, 59 * 288, 59 * 3],
        strict=True,
    ):
        with duckdb.connect() as connection:
            expected = connection.execute(
                f"select {raw_columns} from read_parquet(?) where timestamp >= '2025-01-01 00:00Z'"
                " and timestamp < '2025-03-01 00:00Z' order by timestamp",
                [str(MARKET_DATA / "raw" / path.name)],
            ).fetchall()
        assert len(expected) == count
        assert rows(path, columns) == expected


def test_files_have_the_documented_columns_and_one_sorted_row_per_bar(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    types = {
        "bars": "timestamp TIMESTAMP WITH TIME ZONE, open DOUBLE, high DOUBLE, low DOUBLE,"
        " close DOUBLE, volume DOUBLE, quote_volume DOUBLE",
        "prints": "timestamp TIMESTAMP WITH TIME ZONE, symbol VARCHAR, funding_rate DOUBLE,"
        " funding_interval_hours INTEGER",
    }
    for leg, name in FILE_NAMES.items():
        path = tmp_path / "out" / name
        described = duckdb.sql(f"describe from '{path}'").fetchall()
        found = ", ".join(f"{column} {kind}" for column, kind, *_ in described)
        assert found == types["prints" if leg == "funding" else "bars"]
        assert fetched(tmp_path / "out", leg) == invented(leg, "2024-01", "2024-02")
        compressions = duckdb.sql(f"select distinct compression from parquet_metadata('{path}')")
        assert compressions.fetchall() == [("ZSTD",)]


def test_stdout_is_the_paths_and_nothing_else_is_left(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    done = call("2024-01", "2024-02", tmp_path / "out")
    assert done.code == 0
    assert done.stdout == "".join(f"{tmp_path}/out/{name}\n" for name in FILE_NAMES.values())
    assert done.stderr == (
        "spot BTCUSDT: 60 bars of 1d, 2024-01-01 00:00 to 2024-02-29 00:00\n"
        "perp BTCUSDT: 60 bars of 1d, 2024-01-01 00:00 to 2024-02-29 00:00\n"
        "funding BTCUSDT: 180 prints, 2024-01-01 00:00 to 2024-02-29 16:00\n"
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILE_NAMES.values())


def test_several_symbols_in_any_letter_case_get_files_each(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01")
    server.publish_months("2024-01", symbol="ETHUSDT")
    done = call("2024-01", "2024-01", tmp_path, "--symbol", "btcusdt", "EthUSDT", "BTCUSDT")
    assert done.code == 0
    assert [Path(line).name for line in done.stdout.splitlines()] == [
        name.replace("BTCUSDT", symbol)
        for symbol in ("BTCUSDT", "ETHUSDT")
        for name in FILE_NAMES.values()
    ]
    assert {row[1] for row in rows(tmp_path / "binance_funding_ETHUSDT.parquet")} == {"ETHUSDT"}


def test_a_folder_may_have_any_name(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish_months("2024-01", "2024-02")
    out = tmp_path / "a [b] {c} 'd' *?%"
    assert call("2024-01", "2024-01", out).code == 0
    assert call("2024-01", "2024-02", out).code == 0
    plain = tmp_path / "plain"
    assert call("2024-01", "2024-02", plain).code == 0
    assert contents(out) == contents(plain)


def test_progress_is_shown_to_a_person_only(server: DumpServer, tmp_path: Path) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    server.delay_s = 0.1
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
    with start_process(server, "2024-01", "2024-03", tmp_path / "out", stderr=theirs) as run:
        os.close(theirs)
        shown = b""
        # a terminal that nobody writes to any more is an error on Linux
        while part := read_or_nothing(ours):
            shown += part
        stdout, _ = run.communicate(timeout=30)
    os.close(ours)
    assert run.returncode == 0
    assert b"\rdownload: " in shown
    assert b"/9 [" in shown
    assert stdout == "".join(f"{tmp_path}/out/{name}\n" for name in FILE_NAMES.values())


def read_or_nothing(descriptor: int) -> bytes:
    """Return what a terminal shows next, nothing at its end."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def test_dumps_are_downloaded_in_parallel(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    server.delay_s = 0.02
    assert call("2024-01", "2024-03", tmp_path / "many").code == 0
    assert 2 <= server.most_at_a_time <= 8
    server.most_at_a_time = 0
    assert call("2024-01", "2024-03", tmp_path / "one", "--jobs", 1).code == 0
    assert server.most_at_a_time == 1


@pytest.fixture(scope="module")
def half_a_year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DumpServer]:
    """Six months, of which some, and some days, are not published; the first has nothing.

    The month of the listing and the last one have days only; the perp lacks the fourth month.
    """
    with serving(tmp_path_factory.mktemp("half") / "published") as server:
        server.publish_months("2024-03", "2024-04", "2024-05")
        (server.root / dump_path("perp", "2024-04")).unlink()
        for leg in ("spot", "perp"):
            for day in (27, 28, 29):
                server.publish(leg, f"2024-02-{day}")
            for day in (1, 2, 3, 5):
                server.publish(leg, f"2024-06-{day:02}")
        yield server


@pytest.fixture(scope="module")
def in_one_go(half_a_year: DumpServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a single call fetches of the six months."""
    out = tmp_path_factory.mktemp("half") / "out"
    run = start_process(half_a_year, "2024-01", "2024-06", out)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == 0, stderr
    return out


def test_one_call_finds_the_days_of_months_that_are_not_published(in_one_go: Path) -> None:
    february = [f"2024-02-{day}" for day in (27, 28, 29)]
    june = [f"2024-06-{day:02}" for day in (1, 2, 3, 5)]
    for leg, periods in {
        "spot": [*february, "2024-03", "2024-04", "2024-05", *june],
        "perp": [*february, "2024-03", "2024-05", *june],
        "funding": ["2024-03", "2024-04", "2024-05"],
    }.items():
        assert fetched(in_one_go, leg) == invented(leg, *periods)


@pytest.mark.parametrize(
    "spans",
    [
        ["01 03", "04 05", "06 06"],
        ["06 06", "04 05", "01 03"],
        ["03 03", "05 06", "04 04", "01 02"],
        ["02 02", "01 01", "03 06"],
        ["05 06", "02 03", "01 06"],
        ["02 05", "04 06", "01 02"],
    ],
    ids=["later", "earlier", "hole", "listing first", "both ends", "overlap"],
)
def test_several_calls_in_any_order_give_the_bytes_of_one(
    half_a_year: DumpServer, in_one_go: Path, tmp_path: Path, call: Call, spans: list[str]
) -> None:
    for span in spans:
        start, end = (f"2024-{month}" for month in span.split())
        assert call(start, end, tmp_path / "out", "--base-url", half_a_year.url).code == 0
    assert contents(tmp_path / "out") == contents(in_one_go)


@pytest.fixture(scope="module")
def many_bars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DumpServer]:
    """Three months of spot at 1m, which take a while to be written."""
    with serving(tmp_path_factory.mktemp("many") / "published") as server:
        for month in ("2024-01", "2024-02", "2024-03"):
            server.publish("spot", month, interval="1m")
        yield server


def test_files_of_many_row_groups_have_the_bytes_of_one_call(
    many_bars: DumpServer, call: Call, tmp_path: Path
) -> None:
    flags = ["--interval", "1m", "--base-url", many_bars.url]
    for month in ("2024-02", "2024-03", "2024-01"):
        assert call(month, month, tmp_path / "several", *flags).code == 0
    assert call("2024-01", "2024-03", tmp_path / "one", *flags).code == 0
    path = tmp_path / "one" / "binance_spot_BTCUSDT_1m.parquet"
    ((groups,),) = duckdb.sql(
        f"select num_row_groups from parquet_file_metadata('{path}')"
    ).fetchall()
    assert groups > 1
    assert contents(tmp_path / "several") == contents(tmp_path / "one")


def test_a_second_call_asks_for_what_is_missing_only(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    before = contents(tmp_path / "out")
    server.asked_paths()
    again = call("2024-01", "2024-02", tmp_path / "out")
    assert again.code == 0
    assert len(again.stdout.splitlines()) == 3
    assert server.asked_paths() == []
    assert contents(tmp_path / "out") == before
    assert call("2024-01", "2024-03", tmp_path / "out").code == 0
    march = [dump_path(leg, "2024-03") for leg in LEGS]
    assert sorted(server.asked_paths()) == sorted([*march, *(f"{path}.CHECKSUM" for path in march)])


def test_days_stand_in_for_a_month_until_it_is_published(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    server.publish("funding", "2024-03")
    for leg in ("spot", "perp"):
        for day in DAYS_OF_MARCH[:-1]:
            server.publish(leg, day)
    out = tmp_path / "out"
    done = call("2024-01", "2024-03", out)
    assert done.code == 0
    for leg in ("spot", "perp"):
        assert fetched(out, leg) == invented(leg, "2024-01", "2024-02", *DAYS_OF_MARCH[:-1])
        assert f"{leg} BTCUSDT: 2024-03-31 is not published\n" in done.stderr

    # the last day comes
    server.publish("spot", DAYS_OF_MARCH[-1])
    server.asked_paths()
    done = call("2024-03", "2024-03", out)
    assert [line for line in done.stderr.splitlines() if "not published" in line] == [
        "perp BTCUSDT: 2024-03-31 is not published"
    ]
    assert sorted(server.asked_paths()) == sorted(
        [
            *(dump_path(leg, "2024-03") for leg in ("spot", "perp")),
            *(dump_path(leg, "2024-03-31") for leg in ("spot", "perp")),
            f"{dump_path('spot', '2024-03-31')}.CHECKSUM",
        ]
    )
    assert fetched(out, "spot") == invented("spot", "2024-01", "2024-02", "2024-03")

    # the month comes, and takes the place of its days
    for leg in ("spot", "perp"):
        server.publish(leg, "2024-03")
    server.asked_paths()
    assert call("2024-01", "2024-03", out).stderr.count("not published") == 0
    assert not [path for path in server.asked_paths() if "daily" in path]
    assert call("2024-01", "2024-03", tmp_path / "one").code == 0
    assert contents(out) == contents(tmp_path / "one")


def test_days_that_are_not_published_are_named(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-02")
    for day in ("03", "04", "05", "09"):
        server.publish("spot", f"2024-03-{day}")
    done = call("2024-02", "2024-04", tmp_path)
    assert done.code == 0
    assert [line for line in done.stderr.splitlines() if "not published" in line] == [
        "spot BTCUSDT: 2024-03-01 to 2024-03-02 is not published",
        "spot BTCUSDT: 2024-03-06 to 2024-03-08 is not published",
        "spot BTCUSDT: 2024-03-10 to 2024-03-31 is not published",
        "spot BTCUSDT: 2024-04 is not published",
        "perp BTCUSDT: 2024-03 to 2024-04 is not published",
        "funding BTCUSDT: 2024-03 to 2024-04 is not published",
    ]


def test_days_are_asked_for_until_yesterday_and_never_of_funding(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    month = today.replace(day=1)
    earlier = [date.fromordinal(day) for day in range(month.toordinal(), today.toordinal())]
    before = (month - timedelta(days=1)).replace(day=1)
    server.publish_months(f"{before:%Y-%m}")
    assert call(f"{before:%Y-%m}", f"{month:%Y-%m}", tmp_path).code == 0
    assert sorted(path for path in server.asked_paths() if "daily" in path) == sorted(
        dump_path(leg, f"{day}") for leg in ("spot", "perp") for day in earlier
    )


def test_months_before_the_listing_are_reported_and_not_searched_day_by_day(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-03", "2024-04")
    done = call("2023-12", "2024-04", tmp_path)
    assert done.code == 0
    for leg in LEGS:
        assert f"{leg} BTCUSDT: 2023-12 to 2024-02 is not published\n" in done.stderr
        assert fetched(tmp_path, leg) == invented(leg, "2024-03", "2024-04")
    # the last day tells whether the pair was listed within the month
    assert sorted(path for path in server.asked_paths() if "daily" in path) == sorted(
        dump_path(leg, day)
        for leg in ("spot", "perp")
        for day in ("2023-12-31", "2024-01-31", "2024-02-29")
    )


def test_nothing_published_at_all_is_refused(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    done = call("2024-01", "2024-02", tmp_path / "out", "--symbol", "BTCUSD", "ETHUSD")
    assert done.code == 2
    assert done.stdout == ""
    assert done.errors == [
        f"error: nothing of BTCUSD ETHUSD is published at {server.url} from 2024-01 to 2024-02:"
        " check --symbol and the months."
    ]
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    "faults",
    [
        [status(500)],
        [status(503), status(502), status(504)],
        [status(429)],
        [reset],
        [reset, reset, status(500), reset],
        [truncated],
        [truncated, truncated],
        [hang],
        [hang_within],
        [drip],
        [None],
    ],
    ids=[
        "500",
        "503 502 504",
        "429",
        "reset",
        "all sorts",
        "truncated",
        "truncated twice",
        "silent",
        "silent within",
        "slow",
        "fine",
    ],
)
def test_what_passes_is_tried_again(
    server: DumpServer, call: Call, tmp_path: Path, faults: list[Fault | None]
) -> None:
    server.publish_months("2024-01")
    paths = [dump_path("perp", "2024-01"), f"{dump_path('funding', '2024-01')}.CHECKSUM"]
    for path in paths:
        server.misbehave(path, *faults)
    assert call("2024-01", "2024-01", tmp_path / "out", "--timeout", 0.2).code == 0
    attempts = len(faults) + (faults[0] not in (drip, None))
    asked = server.asked_paths()
    assert [asked.count(path) for path in paths] == [attempts, attempts]
    for leg in LEGS:
        assert fetched(tmp_path / "out", leg) == invented(leg, "2024-01")


def test_attempts_come_at_growing_intervals(
    server: DumpServer, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish_months("2024-01")
    path = dump_path("spot", "2024-01")
    server.misbehave(path, status(500), status(500))
    # as it is outside of tests
    monkeypatch.undo()
    monkeypatch.setattr(
        sys, "argv", ["fetch", *command_line(server, "2024-01", "2024-01", tmp_path / "out")]
    )
    assert fetch.main() == 0
    first, second = server.pauses(path)
    assert 0.5 <= first < 1.2
    assert 1 <= second < 1.7


def test_a_server_that_names_a_pause_gets_it(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01")
    path = dump_path("spot", "2024-01")
    server.misbehave(path, status(429, Retry_After="1"))
    assert call("2024-01", "2024-01", tmp_path).code == 0
    (pause,) = server.pauses(path)
    assert 1 <= pause < 2


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("", 0, 0),
        ("7", 7, 7),
        ("-7", 0, 0),
        ("3600", 60, 60),
        ("²", 0, 0),
        ("nan", 0, 0),
        ("soon", 0, 0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 60, 60),
        (formatdate(0, usegmt=True), 0, 0),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0, 0),
    ],
)
def test_a_pause_is_seconds_or_a_date_and_a_minute_at_most(
    header: str, least: float, most: float
) -> None:
    assert least <= fetch.retry_after_s(header) <= most


@pytest.mark.parametrize(
    ("fault", "attempts", "words"),
    [
        (status(500), 6, "could not be downloaded in 6 attempts (HTTP 500): run the same"),
        (reset, 6, "could not be downloaded in 6 attempts (Connection reset by peer): run"),
        (truncated, 6, "could not be downloaded in 6 attempts (IncompleteRead("),
        (status(403), 1, "is refused (HTTP 403 Forbidden): check --base-url."),
        (status(204), 1, "is refused (HTTP 204 No Content): check --base-url."),
        (
            status(302, Location="/" + dump_path("perp", "2024-02")),
            1,
            f"is redirected to /{dump_path('perp', '2024-02')}, which is no other http(s) address:",
        ),
    ],
    ids=["500", "reset", "truncated", "403", "204", "redirects"],
)
def test_what_does_not_pass_is_named_and_leaves_the_old_file(
    server: DumpServer, call: Call, tmp_path: Path, fault: Fault, attempts: int, words: str
) -> None:
    server.publish_months("2024-01", "2024-02")
    assert call("2024-01", "2024-01", tmp_path).code == 0
    old = (tmp_path / FILE_NAMES["perp"]).read_bytes()
    path = dump_path("perp", "2024-02")
    server.misbehave_always(path, fault)
    server.asked_paths()
    done = call("2024-01", "2024-02", tmp_path)
    assert done.code == 1
    assert server.asked_paths().count(path) == attempts
    assert len(done.errors) == 2
    assert done.errors[0].startswith(f"error: {server.url}/{path} {words}")
    assert done.errors[1] == f"error: {tmp_path}/{FILE_NAMES['perp']} is left as it was."
    assert (tmp_path / FILE_NAMES["perp"]).read_bytes() == old
    assert done.stdout.splitlines() == [
        f"{tmp_path}/{FILE_NAMES[leg]}" for leg in ("spot", "funding")
    ]
    for leg in ("spot", "funding"):
        assert fetched(tmp_path, leg) == invented(leg, "2024-01", "2024-02")


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = bytes(1 << 20)
# name: (how the perp dump of February is answered, words of the message)
FAULTY_ANSWERS: dict[str, tuple[Fault, str]] = {
    "length beyond the bound": (
        raw(OK + b"Content-Length: 99999999999\r\n\r\n"),
        "is larger than 2,097,152 bytes, which no such file of Binance is: check --base-url.",
    ),
    "endless": (endless(OK + b"\r\n", MIB), "is larger than 2,097,152 bytes"),
    "endless, chunked": (
        endless(CHUNKED, b"100000\r\n" + MIB + b"\r\n"),
        "is larger than 2,097,152 bytes",
    ),
    "gzip": (
        lambda handler, content: handler.answer(
            200, gzip.compress(content), Content_Encoding="gzip"
        ),
        "arrives with the Content-Encoding gzip, which was not asked for: check",
    ),
    "drip": (
        endless(OK + b"Content-Length: 1000000\r\n\r\n", b"P", 0.05),
        "is not complete after 0.5 s: run the same command again, with a longer --timeout.",
    ),
    "drip within a header": (endless(OK, b"P", 0.05), "is not complete after 0.5 s: run the same"),
    "drip within a chunk's size": (endless(CHUNKED, b"0", 0.05), "is not complete after 0.5 s"),
    "redirect to a file": (
        status(302, Location="file:///etc/hostname"),
        "is redirected to file:///etc/hostname, which is no other http(s) address: check",
    ),
    "redirect to ftp": (status(301, Location="ftp://127.0.0.1/a"), "which is no other http(s)"),
    "redirect to a malformed address": (
        status(302, Location="http://[::1"),
        "is redirected to http://[::1, which is no other http(s) address: check --base-url.",
    ),
    "redirect to a malformed port": (
        status(302, Location="http://127.0.0.1:99999/a"),
        "cannot be downloaded (",
    ),
    "redirect to no host": (status(307, Location="https://"), "which is no other http(s)"),
    "redirect to nowhere": (status(308), "is redirected to nowhere, which is no other"),
    "redirect further and further": (
        lambda handler, _: handler.answer(302, b"", Location=f"{handler.path}/again"),
        "is redirected more than 5 times: check --base-url.",
    ),
    "redirect with an endless body": (
        endless(b"HTTP/1.1 302 Found\r\nLocation: ftp://a/\r\n\r\n", MIB),
        "is redirected to ftp://a/, which is no other http(s) address",
    ),
    "refusal with an endless body": (
        endless(b"HTTP/1.1 403 Forbidden\r\n\r\n", MIB),
        "is refused (HTTP 403 Forbidden): check --base-url.",
    ),
    "length too short": (raw(OK + b"Content-Length: 9\r\n\r\n"), "it is damaged, try again"),
    "two lengths": (raw(OK + b"Content-Length: 9, 8\r\n\r\n"), "cannot be downloaded ("),
    "no status line": (raw(b"\x00\x1b[31mnonsense\r\n\r\n"), "could not be downloaded in 6"),
    "a status of letters": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), "could not be downloaded in 6"),
    "a long reason": (
        raw(b"HTTP/1.1 403 " + b"no" * 9000 + b"\r\nContent-Length: 0\r\n\r\n", b""),
        "nono…): check --base-url.",
    ),
    "a long header": (raw(OK + b"A: " + b"b" * 70_000 + b"\r\n\r\n"), "could not be downloaded"),
    "many headers": (raw(OK + b"A: b\r\n" * 500 + b"\r\n"), "could not be downloaded in 6"),
    "chunk of no size": (raw(CHUNKED + b"zz\r\n"), "could not be downloaded in 6 attempts ("),
    "chunk of a negative size": (raw(CHUNKED + b"-5\r\n"), "could not be downloaded in 6"),
    "chunk of a negative size and no end": (
        endless(CHUNKED + b"-1\r\n", MIB),
        "is larger than 2,097,152 bytes",
    ),
    "chunk cut off": (raw(CHUNKED + b"ff00\r\n"), "could not be downloaded in 6 attempts ("),
}


@pytest.mark.parametrize(("fault", "words"), FAULTY_ANSWERS.values(), ids=FAULTY_ANSWERS)
def test_a_faulty_answer_is_one_sentence_and_bounded(
    server: DumpServer,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    words: str,
) -> None:
    monkeypatch.setattr(fetch, "MAX_DUMP_BYTES", 2 << 20)
    monkeypatch.setattr(fetch, "LEAST_TRANSFER_S", 0.5)
    monkeypatch.setattr(fetch, "TRANSFER_TIMEOUTS", 0.1)
    server.publish_months("2024-01", "2024-02")
    path = dump_path("perp", "2024-02")
    server.misbehave_always(path, fault)
    # where the redirects lead
    for step in range(1, 7):
        server.misbehave_always(path + step * "/again", fault)
    started_at = time.monotonic()
    done = call("2024-01", "2024-02", tmp_path, "--timeout", 5)
    assert time.monotonic() - started_at < 3
    assert done.code == 1
    assert len(done.errors) == 2
    assert done.errors[0].startswith(f"error: {server.url}/{path} ")
    assert words in done.errors[0]
    assert len(done.errors[0]) < 500
    assert done.stderr.replace("\n", "").isprintable()
    # what the sockets buffer comes on top of the bound
    assert server.sent_bytes < 30 << 20
    for leg in ("spot", "funding"):
        assert fetched(tmp_path, leg) == invented(leg, "2024-01", "2024-02")


def test_a_checksum_has_a_bound(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish_months("2024-01")
    path = f"{dump_path('perp', '2024-01')}.CHECKSUM"
    server.misbehave_always(path, endless(OK + b"\r\n", b"0" * 1000))
    done = call("2024-01", "2024-01", tmp_path)
    assert done.code == 1
    assert f"{server.url}/{path} is larger than 4,096 bytes" in done.errors[0]


def test_a_server_that_drips_is_not_asked_for_every_dump(
    server: DumpServer, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "LEAST_TRANSFER_S", 0.5)
    monkeypatch.setattr(fetch, "TRANSFER_TIMEOUTS", 0.1)
    months = [f"{year}-{month:02}" for year in (2022, 2023) for month in range(1, 13)]
    for leg in LEGS:
        for month in months:
            server.misbehave_always(dump_path(leg, month), endless(OK, b"P", 0.05))
    started_at = time.monotonic()
    done = call("2022-01", "2023-12", tmp_path, "--timeout", 5, "--jobs", 2)
    assert time.monotonic() - started_at < 3
    assert done.code == 1
    assert len(done.errors) == 4
    assert f"error: {server.url}: {server.url}/data/" in done.errors[0]


def test_a_transfer_is_bounded_by_the_time_out_that_help_documents(
    call: Call, server: DumpServer, tmp_path: Path
) -> None:
    assert fetch.transfer_s(30) == 300
    assert fetch.transfer_s(0.1) == 10
    help_text = call("2024-01", "2024-01", tmp_path, "--help").stdout
    assert "may take 10 times as long, and at least 10 s" in " ".join(help_text.split())


def test_redirects_to_http_addresses_are_followed_but_none_from_https_to_http(
    server: DumpServer, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish_months("2024-01")
    path = dump_path("perp", "2024-01")
    (server.root / "moved.zip").write_bytes((server.root / path).read_bytes())
    server.misbehave_always(path, status(302, Location="/moved-once.zip"))
    server.misbehave_always("moved-once.zip", status(301, Location=f"{server.url}/moved.zip"))
    assert call("2024-01", "2024-01", tmp_path / "out").code == 0
    assert fetched(tmp_path / "out", "perp") == invented("perp", "2024-01")

    def answer(*_: object, **__: object) -> requests.Response:
        """Stand in for a server with a certificate."""
        response = requests.Response()
        response.status_code, response.headers["Location"] = 302, f"{server.url}/moved.zip"
        response.raw = io.BytesIO()
        return response

    monkeypatch.setattr(fetch.Session, "get", answer)
    done = call("2024-01", "2024-01", tmp_path / "other", "--base-url", "https://127.0.0.1")
    assert done.code == 1
    assert f"is redirected to {server.url}/moved.zip, from https to http" in done.errors[0]


def test_a_body_streams_to_the_disk(server: DumpServer, tmp_path: Path) -> None:
    """Two bodies at a time, each of them below the bound: neither is ever in memory."""
    content = os.urandom(1 << 20) * 60
    peaks = []
    for name, body in (("small", b"no zip"), ("large", content)):
        for leg in ("spot", "perp"):
            server.publish(leg, "2024-01", body)
        run = start_process(server, "2024-01", "2024-01", tmp_path / name)
        assert run.stdout
        assert run.stdout.read() == ""
        _, code, used = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(code)
        _, stderr = run.communicate()
        assert run.returncode == 1
        assert stderr.count("cannot be unpacked (File is not a zip file)") == 2
        peaks.append(used.ru_maxrss / 1024)
    assert peaks[1] - peaks[0] < 30, peaks


def test_what_was_downloaded_before_a_failure_serves_again(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    path = dump_path("spot", "2024-02")
    server.misbehave(path, *[status(500)] * 6)
    assert call("2024-01", "2024-03", tmp_path / "out").code == 1
    assert not (tmp_path / "out" / FILE_NAMES["spot"]).exists()
    server.asked_paths()
    assert call("2024-01", "2024-03", tmp_path / "out").code == 0
    assert [asked for asked in server.asked_paths() if asked.endswith(".zip")] == [path]
    assert call("2024-01", "2024-03", tmp_path / "one").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "one")


def test_a_download_that_was_published_anew_meanwhile_is_fetched_anew(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    server.misbehave(dump_path("spot", "2024-02"), status(403))
    assert call("2024-01", "2024-02", tmp_path / "out").code == 1
    mended = [
        [*row[:5], "9", *row[6:7], f"{9 * float(row[4])}", *row[8:]]
        for row in bars("spot", "2024-01")
    ]
    path = server.publish("spot", "2024-01", zipped(dump=table(mended)))
    server.asked_paths()
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    assert server.asked_paths().count(path) == 1
    assert {row[5] for row in fetched(tmp_path / "out", "spot")[:31]} == {9}
    assert call("2024-01", "2024-02", tmp_path / "one").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "one")


def test_an_address_where_nobody_listens_is_said_once(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = call("2020-01", "2024-12", tmp_path / "out", "--base-url", url)
    assert done.code == 1
    assert done.errors == [
        f"error: {url} does not answer (Connection refused): check the network and --base-url,"
        " and run the same command again.",
        *(f"error: {tmp_path}/out/{name} is not written." for name in FILE_NAMES.values()),
    ]


def test_a_server_that_never_answers_is_not_asked_for_every_dump(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started_at = time.monotonic()
        flags = ["--base-url", url, "--timeout", 0.1, "--jobs", 1]
        done = call("2020-01", "2024-12", tmp_path / "out", *flags)
        assert time.monotonic() - started_at < 5
    assert done.code == 1
    assert f"{url} does not answer (timed out)" in done.errors[0]
    assert len(done.errors) == 4


def test_a_server_that_falls_silent_spoils_what_is_not_complete_only(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    for leg in ("perp", "funding"):
        for month in ("2024-01", "2024-02"):
            server.misbehave_always(dump_path(leg, month), reset)
    done = call("2024-01", "2024-02", tmp_path / "out", "--jobs", 1)
    assert done.code == 1
    assert server.asked_paths()[4:] == [dump_path("perp", "2024-01")] * 6
    assert fetched(tmp_path / "out", "spot") == invented("spot", "2024-01", "2024-02")
    assert done.errors == [
        f"error: {server.url} does not answer (Connection reset by peer): check the network and"
        " --base-url, and run the same command again.",
        *(
            f"error: {tmp_path}/out/{FILE_NAMES[leg]} is not written."
            for leg in ("perp", "funding")
        ),
    ]


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a fetch of January left."""
    folder = tmp_path_factory.mktemp("january")
    with serving(folder / "published") as server:
        server.publish_months("2024-01")
        run = start_process(server, "2024-01", "2024-01", folder / "out")
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 0, stderr
    return folder / "out"


def without_checksum(server: DumpServer) -> None:
    """Remove a checksum."""
    (server.root / f"{dump_path('perp', '2024-02')}.CHECKSUM").unlink()


def with_checksum(text: bytes) -> Spoil:
    """Publish another checksum."""
    path = f"{dump_path('perp', '2024-02')}.CHECKSUM"
    return lambda server: (server.root / path).write_bytes(text)


def with_zip(content: bytes) -> Spoil:
    """Publish another perp dump, with its checksum."""
    return lambda server: server.publish("perp", "2024-02", content)


def with_table(text: str) -> Spoil:
    """Publish another perp dump that is packed well."""
    return with_zip(zipped(dump=text))


def with_prints(text: str) -> Spoil:
    """Publish another funding dump that is packed well."""
    return lambda server: server.publish("funding", "2024-02", zipped(dump=text))


BARS = bars("perp", "2024-02")
PRINTS = prints("2024-02")
GOOD_ZIP = zipped(dump=table(BARS))
# within the packed rows
DAMAGED_ZIP = GOOD_ZIP[:60] + bytes(255 - byte for byte in GOOD_ZIP[60:90]) + GOOD_ZIP[90:]
ENCRYPTED_ZIP = GOOD_ZIP.replace(GOOD_ZIP[:8], GOOD_ZIP[:6] + b"\x01\x00").replace(
    b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
)


def zip_of(
    content: bytes,
    name: str = "dump.csv",
    *,
    mode: int = 0,
    method: int = zipfile.ZIP_DEFLATED,
    more: Iterable[str] = (),
) -> bytes:
    """Return a zip with a member of that name and mode, and empty ones of other names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content, method)
        for other in more:
            archive.writestr(zipfile.ZipInfo(other), b"")
    return packed.getvalue()


def with_a_smaller_size(packed: bytes, size: int, said: int) -> bytes:
    """Return a zip whose headers say another size of what is unpacked."""
    return packed.replace(struct.pack("<I", size), struct.pack("<I", said))


def swapped(first: int, second: int) -> str:
    """Return the bars with two columns exchanged, and no header that says so."""
    order = list(range(12))
    order[first], order[second] = second, first
    return table([row[column] for column in order] for row in BARS)


def changed(column: int, value: str, row: int = 20) -> str:
    """Return the bars with another value in one place."""
    return table(
        [
            [*values[:column], value, *values[column + 1 :]] if at == row else values
            for at, values in enumerate(BARS)
        ],
        KLINE_HEADER,
    )


def renamed(column: str, name: str) -> list[str]:
    """Return the header with another name for a column."""
    return [name if named == column else named for named in KLINE_HEADER]


# name: (what is done to February's dump, words of the message)
FAULTY_DUMPS: dict[str, tuple[Spoil, str]] = {
    "no checksum": (without_checksum, "has no .CHECKSUM to be checked against: try again later"),
    "wrong checksum": (
        with_checksum(b"0" * 64 + b"  BTCUSDT-1d-2024-02.zip\n"),
        "its .CHECKSUM says 000000000000…: it is damaged, try again later",
    ),
    "short checksum": (with_checksum(b"abc  x.zip\n"), "CHECKSUM holds no SHA-256: try again"),
    "empty checksum": (with_checksum(b"\n"), "CHECKSUM holds no SHA-256: try again later"),
    "binary checksum": (with_checksum(bytes(range(256))), "CHECKSUM holds no SHA-256: try again"),
    "zip cut off": (with_zip(GOOD_ZIP[:-40]), "cannot be unpacked (File is not a zip file)"),
    "no zip": (with_zip(b"<html>"), "cannot be unpacked (File is not a zip file)"),
    "empty zip file": (with_zip(b""), "cannot be unpacked (File is not a zip file)"),
    "zip damaged within": (with_zip(DAMAGED_ZIP), "cannot be unpacked ("),
    "zip with a password": (with_zip(ENCRYPTED_ZIP), "cannot be unpacked (it is encrypted)"),
    "zip bomb": (
        with_zip(zip_of(b"0\n" * (20 << 20))),
        "bytes, which no table of market data does: check where it comes from",
    ),
    "zip that says it is small": (
        with_zip(with_a_smaller_size(zip_of(b"0\n" * 99_991), 199_982, 10)),
        "cannot be unpacked (Bad CRC-32",
    ),
    "zip of bzip2": (
        with_zip(zip_of(table(BARS).encode(), method=zipfile.ZIP_BZIP2)),
        "cannot be unpacked (it is not packed with deflate): zip it again",
    ),
    "zip with a link": (
        with_zip(zip_of(b"/etc/hostname", mode=stat.S_IFLNK | 0o777)),
        "holds dump.csv, not one CSV file",
    ),
    "zip with a folder": (
        with_zip(zip_of(table(BARS).encode(), more=["folder/"])),
        "holds dump.csv, folder/, not one CSV file",
    ),
    "zip of a folder": (with_zip(zip_of(b"", "dump.csv/")), "holds dump.csv/, not one CSV file"),
    "zip of many files": (
        with_zip(zip_of(b"", more=(f"{member}.csv" for member in range(5000)))),
        "holds dump.csv, 0.csv, 1.csv, 2.csv, not one CSV file",
    ),
    "NUL bytes": (with_table(changed(4, "1\0")), "is not a CSV file (it holds a NUL byte): check"),
    "NUL bytes only": (
        with_zip(zip_of(bytes(1 << 20), method=zipfile.ZIP_STORED)),
        "is not a CSV file (it holds a NUL byte)",
    ),
    "a line of 20 MB": (
        with_table(f"{table(BARS, KLINE_HEADER)}{os.urandom(10 << 20).hex()}"),
        "is not a CSV file (it holds a line of more than 8 KiB)",
    ),
    "a header of digits": (with_table("1" * 8000 + "x"), "its layout has changed: no "),
    "20,000 columns": (
        with_table("\n".join([",".join(f"a{n}" for n in range(20_000))] * 9)),
        "is not a CSV file (it holds a line of more than 8 KiB)",
    ),
    "2,000 columns": (
        with_table("\n".join([",".join(["ab"] * 2_000), ",".join(["1"] * 2_000)])),
        "its layout has changed: it has 2,000 columns, at most 64 are expected",
    ),
    "two files": (
        with_zip(zipped(a=table(BARS), b=table(BARS))),
        "holds a.csv, b.csv, not one CSV file",
    ),
    "no file": (with_zip(zipped()), "holds nothing, not one CSV file"),
    "no CSV": (
        with_zip(zipped(dump="").replace(b"dump.csv", b"dump.txt")),
        "holds dump.txt, not one CSV file",
    ),
    "no text": (with_zip(zipped(dump=b"\xff\xfe\x00" * 40)), "is not a CSV file ("),
    "no row": (with_table(""), "is empty: download or write it again"),
    "header only": (with_table(table([], KLINE_HEADER)), "it holds no row: try again later"),
    "column missing": (
        with_table(
            table(
                (row[:7] + row[8:] for row in BARS),
                [name for name in KLINE_HEADER if name != "quote_volume"],
            )
        ),
        "its layout has changed: no quote_volume among open_time, open,",
    ),
    "column renamed": (
        with_table(table(BARS, renamed("close", "last"))),
        "its layout has changed: no close among open_time, open, high, low, last,",
    ),
    "column named twice": (
        with_table(table(BARS, renamed("count", "open"))),
        "its layout has changed (",
    ),
    "11 columns": (with_table(table(row[:-1] for row in BARS)), "its layout has changed ("),
    "13 columns": (with_table(table([*row, "0"] for row in BARS)), "its layout has changed ("),
    "a row with 11 columns": (
        with_table(table([*BARS[:-1], BARS[-1][:-1]], KLINE_HEADER)),
        "its layout has changed (",
    ),
    "high and low swapped": (with_table(swapped(2, 3)), "29 of 29 rows do not fit the columns"),
    "close and volume swapped": (with_table(swapped(4, 5)), "29 of 29 rows do not fit"),
    "volumes swapped": (with_table(swapped(5, 7)), "29 of 29 rows do not fit the columns"),
    "time and price swapped": (with_table(swapped(0, 1)), "29 of 29 rows do not fit"),
    "price of text": (with_table(changed(4, "n/a")), "1 of 29 rows do not fit the columns"),
    "price missing": (with_table(changed(4, "")), "1 of 29 rows do not fit the columns"),
    "price not a number": (with_table(changed(4, "NaN")), "1 of 29 rows do not fit"),
    "price infinite": (with_table(changed(2, "inf")), "1 of 29 rows do not fit"),
    "time of text": (with_table(changed(0, "2024-02-21")), "1 of 29 rows do not fit"),
    "time of 40 digits": (with_table(changed(0, "9" * 40)), "1 of 29 rows do not fit"),
    "time beyond all years": (with_table(changed(0, "9" * 30)), "its layout has changed ("),
    "another month": (
        with_table(table(bars("perp", "2024-03"))),
        "31 of its 31 rows are not of 2024-02",
    ),
    "a bar of the month before": (
        with_table(table([*bars("perp", "2024-01")[-1:], *BARS])),
        "1 of its 30 rows are not of 2024-02",
    ),
    "a bar just before the month": (
        with_table(changed(0, str(int(BARS[0][0]) - 1), row=0)),
        "1 of its 29 rows are not of 2024-02",
    ),
    "hourly bars": (
        with_table(table(bars("perp", "2024-02", 60))),
        "its bars are 1h apart, not 1d: leave it out with --start and --end, or try again",
    ),
    "a bar off the grid": (
        with_table(changed(0, str(int(BARS[20][0]) + 1000))),
        "1 of its 29 bars do not open at a multiple of 1d",
    ),
    "price of zero": (with_table(changed(3, "0")), "1 of its 29 rows have a price of zero or"),
    "price below zero": (with_table(changed(4, "-1")), "1 of its 29 rows have a price of zero"),
    "negative volume": (with_table(changed(5, "-2.5")), "1 of its 29 rows have a negative volume"),
    "high below low": (
        with_table(changed(2, "1.5")),
        "1 of its 29 rows have a high below the low",
    ),
    "prints: in percent": (
        with_prints(table([time_, hours, f"{100 * float(rate)}"] for time_, hours, rate in PRINTS)),
        "its rates seem to be in percent, not fractions (the median positive one is 0.0075)",
    ),
    "prints: a quiet month in percent": (
        with_prints(
            table(
                [time_, hours, "0.01" if row % 3 else "-0.002"]
                for row, (time_, hours, _) in enumerate(PRINTS)
            )
        ),
        "its rates seem to be in percent",
    ),
    "prints: hourly interest in percent": (
        with_prints(table([time_, "1", "0.00125"] for time_, _, _ in PRINTS)),
        "its rates seem to be in percent",
    ),
    "prints: beyond every cap": (
        with_prints(table([[PRINTS[0][0], "8", "0.0625"], *PRINTS[1:]])),
        "1 of its 87 rows have a rate beyond 5%, which Binance does not charge",
    ),
    "prints: column missing": (
        with_prints(table((row[:2] for row in PRINTS), PRINT_HEADER[:2])),
        "its layout has changed: no last_funding_rate among calc_time, funding_interval_hours",
    ),
    "prints: columns swapped": (
        with_prints(table([time_, rate, hours] for time_, hours, rate in PRINTS)),
        "87 of 87 rows do not fit the columns calc_time",
    ),
    "prints: rate of text": (
        with_prints(table([["1706745600000", "8", "-"], *PRINTS[1:]], PRINT_HEADER)),
        "1 of 87 rows do not fit the columns",
    ),
    "prints: hours beyond all bounds": (
        with_prints(table([["1706745600000", "9" * 12, "0"], *PRINTS[1:]], PRINT_HEADER)),
        "1 of 87 rows do not fit the columns",
    ),
    "prints: another month": (
        with_prints(table([*PRINTS, ["1709251200000", "8", "0"]], PRINT_HEADER)),
        "1 of its 88 rows are not of 2024-02",
    ),
}


@pytest.mark.parametrize(("spoil", "words"), FAULTY_DUMPS.values(), ids=FAULTY_DUMPS)
def test_a_faulty_dump_is_named_and_leaves_the_old_file(
    server: DumpServer,
    call: Call,
    tmp_path: Path,
    january: Path,
    spoil: Spoil,
    words: str,
) -> None:
    server.publish_months("2024-01", "2024-02")
    out = tmp_path / "out"
    shutil.copytree(january, out)
    before = contents(out)
    spoil(server)
    done = call("2024-01", "2024-02", out)
    assert done.code == 1
    fault, state = done.errors
    leg = "funding" if "fundingRate" in fault else "perp"
    assert fault.startswith(f"error: {server.url}/{dump_path(leg, '2024-02')}")
    assert words in fault
    assert str(out) not in fault
    assert state == f"error: {out}/{FILE_NAMES[leg]} is left as it was."
    assert (out / FILE_NAMES[leg]).read_bytes() == before[FILE_NAMES[leg]]
    for other in set(LEGS) - {leg}:
        assert fetched(out, other) == invented(other, "2024-01", "2024-02")


@pytest.mark.parametrize("spoil", [without_checksum, with_zip(b"<html>"), with_table("a,b\n")])
def test_a_dump_that_was_mended_is_fetched(
    server: DumpServer, call: Call, tmp_path: Path, spoil: Spoil
) -> None:
    server.publish_months("2024-01", "2024-02")
    spoil(server)
    assert call("2024-01", "2024-02", tmp_path / "out").code == 1
    server.publish_months("2024-02")
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    assert call("2024-01", "2024-02", tmp_path / "one").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "one")


def test_every_faulty_dump_is_named(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    paths = [
        server.publish("spot", "2024-01", b"no zip"),
        server.publish("spot", "2024-03", zipped(dump="some,text\n")),
        server.publish("perp", "2024-02", b"no zip either"),
    ]
    done = call("2024-01", "2024-03", tmp_path)
    assert done.code == 1
    for path, error in zip(paths, done.errors, strict=False):
        assert error.startswith(f"error: {server.url}/{path}: ")
    assert len(done.errors) == 5


LAYOUTS: dict[str, str] = {
    "no header": table(BARS),
    "header": table(BARS, KLINE_HEADER),
    "header with spaces": table(BARS, [f" {name}" for name in KLINE_HEADER]),
    "columns in another order": table((row[::-1] for row in BARS), KLINE_HEADER[::-1]),
    "columns more": table(([*row, "1"] for row in BARS), [*KLINE_HEADER, "trades"]),
    "µs": table(bars("perp", "2024-02", per_second=1_000_000)),
    "µs with header": table(bars("perp", "2024-02", per_second=1_000_000), KLINE_HEADER),
    "ms, then µs": table([*BARS[:9], *bars("perp", "2024-02", per_second=1_000_000)[9:]]),
    "unsorted": table(random.Random(1).sample(BARS, len(BARS))),
    "rows twice": table([*BARS, *BARS[:7]]),
    "CRLF": table(BARS, KLINE_HEADER).replace("\n", "\r\n"),
    "no end of line": table(BARS).rstrip("\n"),
    "bars without a trade": table(
        [*BARS[:20], *([*row[:5], "0", row[6], "0", *row[8:]] for row in BARS[20:])]
    ),
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_each_layout_gives_the_same_rows(
    server: DumpServer, call: Call, tmp_path: Path, text: str
) -> None:
    server.publish("perp", "2024-02", zipped(dump=text))
    done = call("2024-02", "2024-02", tmp_path)
    assert done.code == 0
    expected = invented("perp", "2024-02")
    if text == LAYOUTS["bars without a trade"]:
        expected = expected[:20] + [(*row[:5], 0, 0) for row in expected[20:]]
    assert fetched(tmp_path, "perp") == expected
    assert "other values" not in done.stderr


def test_a_member_is_never_a_path(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish("perp", "2024-02", zip_of(table(BARS).encode(), "../../../out/spot.csv"))
    assert call("2024-02", "2024-02", tmp_path / "out").code == 0
    assert list(contents(tmp_path / "out")) == [FILE_NAMES["perp"]]
    assert fetched(tmp_path / "out", "perp") == invented("perp", "2024-02")


def test_a_dump_may_not_unpack_to_more_than_the_bound(
    server: DumpServer, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the ratio, too."""
    monkeypatch.setattr(fetch, "MAX_DUMP_BYTES", 2_000)
    server.publish("perp", "2024-02")
    done = call("2024-02", "2024-02", tmp_path)
    assert done.code == 1
    assert "BTCUSDT-1d-2024-02.zip unpacks to more than 2,000 bytes" in done.errors[0]


def test_hourly_bars_are_not_taken_for_bars_of_5_minutes(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    """Hours are on the grid of 5 minutes: their steps tell them."""
    dump = zipped(dump=table(bars("perp", "2024-02", 60)))
    server.publish("perp", "2024-02", dump, interval="5m")
    done = call("2024-02", "2024-02", tmp_path, "--interval", "5m")
    assert done.code == 1
    assert "its bars are 1h apart, not 5m" in done.errors[0]


def test_bars_before_and_after_halts_are_taken(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    """A halt of 34 hours, and 20 hours off the grid after it, as in 2018; halts of long bars."""
    days = bars("perp", "2018-02", 5)
    late = [[str(int(row[0]) + 14_789), *row[1:]] for row in days[2500:2740]]
    half_days = bars("perp", "2024-02", 720)
    for month, interval, dump in (
        ("2018-02", "5m", [*days[:2092], *late, *days[2741:]]),
        ("2024-02", "12h", [*half_days[:9], *half_days[11:14], *half_days[20:]]),
    ):
        server.publish("perp", month, zipped(dump=table(dump)), interval=interval)
        assert call(month, month, tmp_path, "--interval", interval).code == 0
        assert len(rows(tmp_path / f"binance_perp_BTCUSDT_{interval}.parquet")) == len(dump)
    quarters = bars("perp", "2024-01-31", 360)
    server.publish("perp", "2024-01-31", zipped(dump=table(quarters[::3])), interval="6h")
    assert call("2024-01", "2024-01", tmp_path, "--interval", "6h").code == 0


def test_rates_of_a_squeeze_are_taken(server: DumpServer, call: Call, tmp_path: Path) -> None:
    """Negative rates at the cap, and positive ones after it."""
    rates = ["-0.04"] * 60 + ["-0.01"] * 10 + ["0.0002"] * 17
    dump = table([time_, "1", rate] for (time_, *_), rate in zip(PRINTS, rates, strict=True))
    server.publish("funding", "2024-02", zipped(dump=dump))
    assert call("2024-02", "2024-02", tmp_path).code == 0


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize(
    ("first", "last", "absent"),
    [(1, 14, "2024-02-15 to 2024-02-29"), (16, 29, "2024-02-01 to 2024-02-15")],
    ids=["first half", "second half"],
)
def test_half_a_month_is_asked_for_again_until_it_is_whole(
    server: DumpServer,
    call: Call,
    tmp_path: Path,
    leg: str,
    first: int,
    last: int,
    absent: str,
) -> None:
    server.publish_months("2024-01", "2024-02", "2024-03")
    path = server.publish(leg, "2024-02", zipped(dump=table(of_days(leg, "2024-02", first, last))))
    out = tmp_path / "out"
    done = call("2024-01", "2024-03", out)
    assert done.code == 0
    assert [line for line in done.stderr.splitlines() if "not published" in line] == [
        f"{leg} BTCUSDT: {absent} is not published"
    ]
    whole = len(invented(leg, "2024-01", "2024-02", "2024-03"))
    assert len(fetched(out, leg)) == whole - (29 - 14) * (3 if leg == "funding" else 1)

    server.asked_paths()
    server.publish(leg, "2024-02")
    done = call("2024-01", "2024-03", out)
    assert done.code == 0
    assert "not published" not in done.stderr
    assert server.asked_paths() == [path, f"{path}.CHECKSUM"]
    assert call("2024-01", "2024-03", tmp_path / "one").code == 0
    assert contents(out) == contents(tmp_path / "one")


def of_days(leg: str, month: str, first: int, last: int) -> Rows:
    """Return the invented rows of a month from its first day to its last, both included."""
    whole = prints(month) if leg == "funding" else bars(leg, month)
    a_day = 3 if leg == "funding" else 1
    return whole[a_day * (first - 1) : a_day * last]


def test_missing_days_of_a_month_are_taken_from_the_daily_dumps(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01", "2024-02")
    # as the exchange published 2023-04, without a day
    path = server.publish("perp", "2024-02", zipped(dump=table(BARS[:12] + BARS[13:20])))
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    server.publish("perp", "2024-02-13")
    done = call("2024-01", "2024-02", tmp_path / "out")
    assert "not published" not in done.stderr
    assert fetched(tmp_path / "out", "perp") == invented("perp", "2024-01", "2024-02")[: 31 + 20]
    server.asked_paths()
    assert call("2024-01", "2024-02", tmp_path / "out").code == 0
    assert server.asked_paths() == []

    # only March shows that February was cut short
    server.publish_months("2024-03")
    for day in range(21, 30):
        server.publish("perp", f"2024-02-{day}")
    done = call("2024-01", "2024-03", tmp_path / "out")
    assert "not published" not in done.stderr
    assert path in server.asked_paths()
    assert fetched(tmp_path / "out", "perp") == invented("perp", "2024-01", "2024-02", "2024-03")
    assert call("2024-01", "2024-03", tmp_path / "one").code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "one")


def test_a_listing_and_a_delisting_within_a_month_are_no_missing_days(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-02")
    for leg in LEGS:
        for month, first, last in (("2024-01", 11, 31), ("2024-03", 1, 10)):
            dump = table(of_days(leg, month, first, last))
            server.publish(leg, month, zipped(dump=dump))
    done = call("2024-01", "2024-03", tmp_path)
    assert done.code == 0
    assert "not published" not in done.stderr
    assert not [path for path in server.asked_paths() if "daily" in path]
    assert call("2024-01", "2024-03", tmp_path).code == 0
    assert server.asked_paths() == []


def test_prints_without_header_in_microseconds_and_stamped_early_are_read(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    early = [[str(int(time_) * 1_000 - 3_000), hours, rate] for time_, hours, rate in PRINTS]
    server.publish("funding", "2024-02", zipped(dump=table(early)))
    assert call("2024-02", "2024-02", tmp_path).code == 0
    assert fetched(tmp_path, "funding") == [
        (time_ - 3, *values) for time_, *values in invented("funding", "2024-02")
    ]


def test_rows_that_contradict_each_other_are_said(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    other = [*BARS[3][:4], "100.25", *BARS[3][5:]]
    server.publish("perp", "2024-02", zipped(dump=table([*BARS, other])))
    done = call("2024-02", "2024-02", tmp_path)
    assert done.code == 0
    assert (
        "BTCUSDT-1d-2024-02.zip: 1 rows with the time of another row but other values: the last"
        " was kept\n"
    ) in done.stderr
    found = fetched(tmp_path, "perp")
    assert len(found) == 29
    assert found[3][4] == 100.25


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--symbol", "BTC/USDT"], "--symbol: BTC/USDT is no pair of Binance: write it as"),
        (["--symbol", "../../etc"], "--symbol: ../../ETC is no pair of Binance"),
        (["--symbol", "BTC'; drop table x"], "is no pair of Binance"),
        (["--symbol", "$(id)"], "--symbol: $(ID) is no pair of Binance"),
        (["--symbol", "BTC*"], "--symbol: BTC* is no pair of Binance"),
        (["--symbol", "BTCUßT"], "--symbol: BTCUSST is no pair of Binance"),
        (["--symbol", ""], "--symbol: is no pair of Binance"),
        (["--symbol", "BTCUSDT\n"], "is no pair of Binance"),
        (["--symbol"], "--symbol: expected at least one argument; see python -m scripts.fetch"),
        (["--start", "2024-13"], "--start: 2024-13 is no month: write it as 2025-01."),
        (["--start", "2024"], "--start: 2024 is no month"),
        (["--start", "٢٠٢٤-٠١"], "--start: ٢٠٢٤-٠١ is no month: write it as 2025-01."),
        (["--end", "2024-02-01"], "--end: 2024-02-01 is no month"),
        (["--end", "' or 1"], "--end: ' or 1 is no month"),
        (["--start", "2024-03"], "--start is after --end: exchange them."),
        (["--start", "0202-01"], "--start: no exchange was there before 2009: check the year."),
        (["--end", "2999-01"], "--end: 2999-01 is in the future: 20"),
        (["--interval", "7m"], "--interval: invalid choice: '7m'"),
        (["--base-url", "data.binance.vision"], "is no address of a folder: write it as https://"),
        (["--base-url", "file:///etc"], "is no address of a folder: write it as https://"),
        (["--base-url", "https://"], "is no address of a folder: write it as https://"),
        (["--jobs", "0"], "--jobs and --timeout: give numbers above 0."),
        (["--jobs", "two"], "--jobs: two is not a whole number such as 5"),
        (["--jobs", "٣"], "--jobs: ٣ is not a whole number such as 5"),
        (["--jobs", "1000000000"], "give at most 64 jobs and 3600 seconds"),
        (["--timeout", "0"], "--jobs and --timeout: give numbers above 0."),
        (["--timeout", "nan"], "--timeout: nan is not a number such as 5, 0.5 or 1e-3"),
        (["--timeout", "inf"], "--timeout: inf is not a number such as 5, 0.5 or 1e-3"),
        (["--timeout", "٣"], "--timeout: ٣ is not a number such as 5, 0.5 or 1e-3"),
        (["--timeout", "1e9"], "give at most 64 jobs and 3600 seconds"),
        (["--speed", "1"], "unrecognized arguments: --speed 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_refused_in_one_line(
    server: DumpServer, call: Call, tmp_path: Path, flags: list[str], words: str
) -> None:
    done = call("2024-01", "2024-02", tmp_path / "out", *flags)
    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
    assert server.asked_paths() == []


@pytest.mark.parametrize("out", ["file", "file/below", "file/below/further"])
def test_a_place_that_cannot_be_written_to_is_refused(
    server: DumpServer, call: Call, tmp_path: Path, out: str
) -> None:
    (tmp_path / "file").write_text("mine")
    done = call("2024-01", "2024-01", tmp_path / out)
    assert done.code == 2
    assert f"error: --out: {tmp_path / out} cannot be written to (" in done.stderr
    assert "): choose another folder." in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
    assert server.asked_paths() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
def test_a_read_only_folder_is_refused(server: DumpServer, call: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    done = call("2024-01", "2024-01", out)
    assert done.code == 2
    assert f"error: --out: {out} cannot be written to (Permission denied)" in done.stderr


@pytest.mark.parametrize("kind", ["parquet", "no parquet", "cut off", "foreign dumps", "folder"])
def test_a_file_of_that_name_from_elsewhere_is_not_touched(
    server: DumpServer, call: Call, tmp_path: Path, kind: str
) -> None:
    server.publish_months("2024-01", "2024-02")
    path = tmp_path / "out" / FILE_NAMES["perp"]
    if kind == "cut off":
        assert call("2024-01", "2024-01", tmp_path / "out").code == 0
        path.write_bytes(path.read_bytes()[:-9])
    elif kind == "folder":
        path.mkdir(parents=True)
        (path / "mine").write_text("mine")
    else:
        path.parent.mkdir()
        path.write_text("mine")
        metadata = ", kv_metadata {dumps: 'of another kind'}" if kind == "foreign dumps" else ""
        if kind != "no parquet":
            READER.execute(f"copy (select 1 as close) to '{path}' (format parquet{metadata})")
    before = contents(tmp_path / "out")
    server.asked_paths()
    done = call("2024-01", "2024-02", tmp_path / "out")
    assert done.code == 2
    assert done.stdout == ""
    assert done.errors == [
        f"error: {path} was not written by scripts.fetch: move it away, or choose another --out."
    ]
    assert contents(tmp_path / "out") == before
    assert server.asked_paths() == []


def test_two_fetches_at_a_time_do_not_mix(server: DumpServer, call: Call, tmp_path: Path) -> None:
    server.publish_months("2024-01")
    out = tmp_path / "out"
    server.misbehave(dump_path("spot", "2024-01"), hang)
    first = start_process(server, "2024-01", "2024-01", out)
    wait_until(lambda: dump_path("spot", "2024-01") in [path for path, _ in server.asked])
    second = call("2024-01", "2024-01", out)
    assert second.code == 2
    assert (
        second.stderr
        == f"error: --out: another fetch or import is writing to {out}: wait for it.\n"
    )
    assert (out / fetch.DOWNLOADS).is_dir()
    server.released.set()
    stdout, stderr = first.communicate(timeout=30)
    assert first.returncode == 0, stderr
    assert len(stdout.splitlines()) == 3
    assert call("2024-01", "2024-01", out).code == 0


@pytest.mark.parametrize("case", ["written", "failed", "nothing published", "refused"])
def test_sample_files_go_once_there_are_real_ones(
    server: DumpServer, call: Call, tmp_path: Path, case: str
) -> None:
    for name in sample_data.FILE_NAMES:
        (tmp_path / name).write_text("sample")
    if case in ("written", "failed"):
        server.publish_months("2024-01")
    if case == "failed":
        for leg in LEGS:
            server.misbehave_always(dump_path(leg, "2024-01"), status(403))
    flags = ["--jobs", "0"] if case == "refused" else []
    done = call("2024-01", "2024-01", tmp_path, *flags)
    assert done.code == {"written": 0, "failed": 1, "nothing published": 2, "refused": 2}[case]
    for name in sample_data.FILE_NAMES:
        assert (tmp_path / name).exists() == (case != "written")
        said = f"{tmp_path / name} removed: invented data would mix with real ones" in done.stderr
        assert said == (case == "written")


@pytest.mark.parametrize("moment", ["download", "back-off", "writing"])
def test_an_interrupt_ends_it_at_once_and_is_said(
    server: DumpServer, many_bars: DumpServer, tmp_path: Path, moment: str
) -> None:
    if moment == "writing":
        run = start_process(many_bars, "2024-01", "2024-03", tmp_path / "out", "--interval", "1m")
        wait_until(lambda: list((tmp_path / "out").glob(".writing-*")))
    else:
        server.publish_months("2024-01")
        path = dump_path("spot", "2024-01")
        server.misbehave_always(
            path, hang if moment == "download" else status(429, Retry_After="60")
        )
        run = start_process(server, "2024-01", "2024-01", tmp_path / "out")
        wait_until(lambda: path in [asked for asked, _ in server.asked])
        time.sleep(0.1)
    started_at = time.monotonic()
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(timeout=30)
    assert time.monotonic() - started_at < 3
    assert run.returncode == 130
    assert stdout == ""
    assert stderr == "stopped; run the same command again to go on from here\n"
    assert not list((tmp_path / "out").glob("*.parquet"))
    assert not list((tmp_path / "out").glob(".writing-*"))


@pytest.mark.parametrize("moment", ["download", "unpack"])
def test_a_full_disk_is_said_and_leaves_the_old_files(
    server: DumpServer, call: Call, tmp_path: Path, moment: str
) -> None:
    """A limit on the size of files stands for the disk."""
    server.publish_months("2024-01", "2024-02")
    out = tmp_path / "out"
    assert call("2024-01", "2024-01", out).code == 0
    before = contents(out)
    # what is longer than a month's CSV, but packs well
    size = 200 if moment == "download" else 10_000
    many = table((row for _ in range(20) for row in BARS), KLINE_HEADER)
    server.publish("perp", "2024-02", zipped(dump=many))
    run = start_process(
        server,
        "2024-01",
        "2024-02",
        out,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    stdout, stderr = run.communicate(timeout=30)
    assert "Traceback" not in stderr
    assert (out / FILE_NAMES["perp"]).read_bytes() == before[FILE_NAMES["perp"]]
    if moment == "download":
        assert run.returncode == 2
        assert stdout == ""
        assert stderr.startswith("error: could not write ([Errno 27] File too large")
        assert stderr.endswith("make room or check the rights, and run the same command again.\n")
        # another download may have been cut off on its way to the folder that keeps them
        left = {name: held for name, held in contents(out).items() if name in before}
        assert left == before
        assert not list(out.glob("*.writing"))
    else:
        assert run.returncode == 1
        assert (
            f"{dump_path('perp', '2024-02')}: BTCUSDT-1d-2024-02.zip cannot be unpacked (File too"
            " large): make room, or check its rights."
        ) in stderr
    assert call("2024-01", "2024-02", out).code == 0
    assert call("2024-01", "2024-02", tmp_path / "one").code == 0
    assert contents(out) == contents(tmp_path / "one")


def test_ten_kills_at_random_moments_change_nothing(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    """In downloads and between writes; a month more each time, so that there is work to disturb."""
    months = [f"2024-{month:02}" for month in range(1, 12)]
    server.publish_months(*months[:-1])
    for leg in ("spot", "perp"):
        for day in (1, 2, 3):
            server.publish(leg, f"2024-11-{day:02}")
    assert call(months[0], months[-1], tmp_path / "undisturbed").code == 0
    server.delay_s = 0.005
    out = tmp_path / "killed"
    chance = random.Random(20240101)
    spot = out / FILE_NAMES["spot"]
    interrupted = 0
    for month in months[1:]:
        server.asked_paths()
        before = spot.exists() and spot.stat().st_ino
        run = start_process(server, months[0], month, out)
        if chance.random() < 0.5:
            asked = chance.randint(0, 6)
            wait_until(lambda asked=asked: len(server.asked) >= asked)
        else:
            wait_until(lambda before=before: spot.exists() and spot.stat().st_ino != before)
        time.sleep(chance.uniform(0, 0.02))
        run.kill()
        run.communicate()
        interrupted += run.returncode == -signal.SIGKILL
        for path in out.glob("*.parquet"):
            leg = next(leg for leg, name in FILE_NAMES.items() if name == path.name)
            found = fetched(out, leg)
            assert found == invented(leg, *months[: months.index(month) + 1])[: len(found)]
    assert interrupted >= 8
    assert call(months[0], months[-1], out).code == 0
    assert contents(out) == contents(tmp_path / "undisturbed")


def test_what_a_kill_left_in_the_folder_is_removed(
    server: DumpServer, call: Call, tmp_path: Path
) -> None:
    server.publish_months("2024-01")
    assert call("2024-01", "2024-01", tmp_path / "out").code == 0
    before = contents(tmp_path / "out")
    (tmp_path / "out" / ".binance_spot_ETHUSDT_1d.parquet.writing").write_text("half")
    (tmp_path / "out" / ".writing-abc").mkdir()
    (tmp_path / "out" / ".writing-abc" / "half.parquet").write_text("half")
    (tmp_path / "out" / fetch.DOWNLOADS / "tmpabc").mkdir(parents=True)
    shutil.copy(__file__, tmp_path / "out" / fetch.DOWNLOADS / "tmpabc" / "half.csv")
    assert call("2024-01", "2024-01", tmp_path / "out").code == 0
    assert contents(tmp_path / "out") == before
