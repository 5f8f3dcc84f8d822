"""Download spot bars, perpetual bars and funding prints from Binance's public dumps.

usage: python -m scripts.fetch --symbol BTCUSDT --start 2024-01 --end 2025-09 [--interval 5m]

Writes binance_{spot,perp}_<SYMBOL>_<interval>.parquet and binance_funding_<SYMBOL>.parquet, and
prints their paths to stdout. A file knows which dumps it is made of (its metadata, `dumps`): a
further call fetches what is missing, and the file is what one call would have written. Each
dump is checked against its SHA-256. After a kill, what had been downloaded serves again.

Source: https://data.binance.vision. Klines of a month without a monthly file are taken from
the daily ones; funding has monthly files only, so that of the current month is not there.

Exit 0: done, months that are not published named. Exit 1: a dump could not be had or used, its
parquet file is as it was. Exit 2: bad usage, or files that cannot be written.
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import hashlib
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NoReturn

import duckdb
import requests
import tenacity
from tqdm import tqdm

from scripts import market_files
from scripts.command_line import OneLineParser, one_line
from scripts.database import connect, one_row
from scripts.inputs import input_macros
from scripts.project import ROOT, InputError, sql_text
from scripts.sample_data import remove_sample

BASE_URL = "https://data.binance.vision"
# below the out folder, for dumps that no parquet file holds yet
DOWNLOADS = ".downloads"
FOLDERS = {"spot": "data/spot", "perp": "data/futures/um", "funding": "data/futures/um"}
# column of the parquet file: column of a dump
SOURCES = {
    "bars": {"timestamp": "open_time"}
    | {name: name for name in ("open", "high", "low", "close", "volume", "quote_volume")},
    "prints": {
        "timestamp": "calc_time",
        "funding_rate": "last_funding_rate",
        "funding_interval_hours": "funding_interval_hours",
    },
}
COLUMNS = {
    "bars": {"timestamp": "timestamptz"}
    | dict.fromkeys(("open", "high", "low", "close", "volume", "quote_volume"), "double"),
    "prints": {
        "timestamp": "timestamptz",
        "symbol": "varchar",
        "funding_rate": "double",
        "funding_interval_hours": "integer",
    },
}
# what holds in most rows as long as the columns are in their order; a bar's average price
# lies within it
IN_ORDER = {
    "bars": "low <= least(open, close) and greatest(open, close) <= high and (volume = 0 or"
    " quote_volume / volume between low * 0.999 and high * 1.001)",
    "prints": "abs(funding_rate) < 1 and funding_interval_hours between 1 and 24",
}
# a print may be stamped some milliseconds before its month
EARLY_MS = {"bars": 0, "prints": 500}
REMEDY = "leave it out with --start and --end, or adapt scripts/fetch.py"
FIRST_YEAR = 2009
ATTEMPTS = 6
CONNECT_TIMEOUT_S = 10
LOST_CONNECTION = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)
BACK_OFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=30, jitter=0.5)


class FetchError(Exception):
    """A dump that could not be had or used; the message names it."""


class TemporaryError(Exception):
    """An answer that is worth another try: too many requests, or the server's own fault."""

    def __init__(self, response: requests.Response) -> None:
        """Keep how long the server asks to wait."""
        super().__init__(f"HTTP {response.status_code}")
        self.retry_after_s = retry_after_s(response.headers.get("Retry-After", ""))


@dataclass(frozen=True)
class Dump:
    """One published zip: the rows of a series from start up to, and not including, end."""

    path: str
    start: date
    end: date

    @property
    def name(self) -> str:
        """The file's name, which is unique within a series."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def period(self) -> str:
        """The month or day, as a person writes it."""
        return f"{self.start:%Y-%m}" if (self.end - self.start).days > 1 else f"{self.start}"


@dataclass(frozen=True)
class Series:
    """A leg of a symbol: one parquet file, made of dumps."""

    leg: str
    symbol: str
    interval: str

    @property
    def name(self) -> str:
        """What the series is called in messages."""
        return f"{self.leg} {self.symbol}"

    @property
    def kind(self) -> str:
        """What its rows are: bars or prints."""
        return "prints" if self.leg == "funding" else "bars"

    @property
    def file_name(self) -> str:
        """The parquet file's name."""
        size = "" if self.leg == "funding" else f"_{self.interval}"
        return f"binance_{self.leg}_{self.symbol}{size}.parquet"

    def monthly(self, month: date) -> Dump:
        """Return the dump of a month."""
        return self._dump("monthly", f"{month:%Y-%m}", month, next_month(month))

    def daily(self, day: date) -> Dump:
        """Return the dump of a day."""
        return self._dump("daily", f"{day}", day, day + timedelta(days=1))

    def _dump(self, frequency: str, period: str, start: date, end: date) -> Dump:
        folder = f"{FOLDERS[self.leg]}/{frequency}"
        if self.leg == "funding":
            path = f"{folder}/fundingRate/{self.symbol}/{self.symbol}-fundingRate-{period}.zip"
        else:
            path = (
                f"{folder}/klines/{self.symbol}/{self.interval}"
                f"/{self.symbol}-{self.interval}-{period}.zip"
            )
        return Dump(path, start, end)


class Archive:
    """The published dumps at a URL, and the folder that keeps them until they are used."""

    def __init__(self, base_url: str, folder: Path, timeout_s: float, jobs: int) -> None:
        """Open no connection yet; timeout_s is for each answer, and each part of one."""
        self.base_url = base_url.rstrip("/")
        self.folder = folder
        self.timeouts_s = (min(timeout_s, CONNECT_TIMEOUT_S), timeout_s)
        self.session = requests.Session()
        self.session.mount(self.base_url, requests.adapters.HTTPAdapter(pool_maxsize=jobs))
        self.answered_at = -math.inf
        self.silence = ""

    def url(self, dump: Dump) -> str:
        """Return a dump's address."""
        return f"{self.base_url}/{dump.path}"

    def kept(self, dump: Dump) -> Path:
        """Return where a dump lies once it is downloaded."""
        return self.folder / dump.path

    def download(self, dump: Dump) -> str | None:
        """Fetch a dump into the folder; return its SHA-256, or None where it is not published.

        Raises FetchError where it cannot be had, or is not what its checksum says.
        """
        url, kept = self.url(dump), self.kept(dump)
        content = kept.read_bytes() if kept.exists() else self.get(url)
        if content is None:
            return None
        published = self.get(f"{url}.CHECKSUM")
        if published is None:
            raise FetchError(f"{url} has no .CHECKSUM to be checked against: try again later.")
        expected = published.decode("ascii", "replace").split(maxsplit=1)[:1]
        if not expected or not re.fullmatch(r"[0-9a-fA-F]{64}", expected[0]):
            raise FetchError(f"{url}.CHECKSUM holds no SHA-256: try again later.")
        found = hashlib.sha256(content).hexdigest()
        if found == expected[0].lower():
            keep(content, kept)
            return found
        if kept.exists():
            # published anew since it was downloaded
            kept.unlink()
            return self.download(dump)
        raise FetchError(
            f"{url} has the SHA-256 {found[:12]}…, its .CHECKSUM says {expected[0][:12]}…: it is"
            " damaged, try again later."
        )

    def get(self, url: str) -> bytes | None:
        """Return what a URL holds, or None if there is nothing (404).

        Raises FetchError where it cannot be had. A server that answered nothing to anybody
        during all attempts is not asked again: each further dump would take as long to fail.
        """
        started_at = time.monotonic()
        try:
            return self.try_to_get(url)
        except LOST_CONNECTION as error:
            if self.answered_at < started_at:
                self.silence = self.silence or (
                    f"{self.base_url} does not answer ({reason(error)}): check the network and"
                    " --base-url, and run the same command again."
                )
                raise FetchError(self.silence) from error
            failure: Exception = error
        except TemporaryError as error:
            failure = error
        except requests.RequestException as error:
            raise FetchError(
                f"{url} cannot be downloaded ({reason(error)}): check --base-url."
            ) from error
        raise FetchError(
            f"{url} could not be downloaded in {ATTEMPTS} attempts ({reason(failure)}): run the"
            " same command again."
        ) from failure

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type((TemporaryError, *LOST_CONNECTION)),
        # looked up at each call: a test need not wait as long
        wait=lambda state: max(
            BACK_OFF(state),
            getattr(state.outcome and state.outcome.exception(), "retry_after_s", 0),
        ),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    def try_to_get(self, url: str) -> bytes | None:
        """Return what a URL holds, or None if there is nothing (404), in several attempts."""
        if self.silence:
            raise FetchError(self.silence)
        with self.session.get(url, timeout=self.timeouts_s, stream=True) as response:
            self.answered_at = time.monotonic()
            content = response.content
        if response.status_code == 404:
            return None
        if response.status_code == 429 or response.status_code >= 500:
            raise TemporaryError(response)
        if response.status_code != 200:
            raise FetchError(
                f"{url} is refused (HTTP {response.status_code} {response.reason}): check"
                " --base-url."
            )
        return content


@dataclass(eq=False)
class Update:
    """What a call is to add to a parquet file."""

    series: Series
    path: Path
    # the SHA-256 of the dumps that the file is made of, by their names
    held: dict[str, str]
    # what the command line asks for
    months: list[Dump]
    # the SHA-256 of the dumps that were downloaded for it
    fresh: dict[Dump, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def is_had(self, dump: Dump) -> bool:
        """Whether the file holds a dump, or will."""
        return dump.name in self.held or dump in self.fresh

    def days(self, month: Dump) -> list[Dump]:
        """Return the daily dumps of a month until yesterday; funding has none."""
        if self.series.leg == "funding":
            return []
        return [self.series.daily(day) for day in days(month.start, min(month.end, utc_today()))]

    def last_days(self) -> list[Dump]:
        """Return the last day of each month before the first published one."""
        return [
            self.days(month)[-1]
            for month in self.months
            if month.start < self.listed_from() and self.days(month)
        ]

    def days_to_fill(self) -> list[Dump]:
        """Return the days of each month that is not published as one.

        A month before the first published one whose last day is not published either was
        before the listing: of it no other day is asked for.
        """
        return [
            day
            for month in self.months
            if not self.is_had(month) and self.days(month)
            if month.start > self.listed_from() or self.is_had(self.days(month)[-1])
            for day in self.days(month)
        ]

    def listed_from(self) -> date:
        """Return the first month that is published as one."""
        return min((month.start for month in self.months if self.is_had(month)), default=date.min)

    def absences(self) -> list[str]:
        """Return the periods that are not published, as a person reads them."""
        absent = []
        for month in self.months:
            if self.is_had(month):
                continue
            missing = [day for day in self.days(month) if not self.is_had(day)]
            absent += missing if len(missing) < len(self.days(month)) else [month]
        spans: list[list[Dump]] = []
        for dump in absent:
            last = spans[-1][-1] if spans else None
            if last and last.end == dump.start and len(last.period) == len(dump.period):
                spans[-1].append(dump)
            else:
                spans.append([dump])
        return [
            span[0].period if len(span) == 1 else f"{span[0].period} to {span[-1].period}"
            for span in spans
        ]


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags, checked."""
    parser = OneLineParser(
        prog="scripts.fetch",
        description=__doc__.split("\n")[0],
        epilog="A second call fetches what is missing and extends the files.",
    )
    parser.add_argument(
        "--symbol", nargs="+", required=True, metavar="S", help="pairs, such as BTCUSDT ETHUSDT"
    )
    parser.add_argument("--start", required=True, metavar="YYYY-MM", help="first month")
    parser.add_argument("--end", required=True, metavar="YYYY-MM", help="last month, included")
    parser.add_argument(
        "--interval",
        default="5m",
        choices=market_files.INTERVALS_MS,
        help="size of the bars (default 5m)",
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "data" / "raw", metavar="DIR", help="default: data/raw"
    )
    parser.add_argument("--base-url", default=BASE_URL, help=f"default: {BASE_URL}")
    parser.add_argument(
        "--jobs", type=int, default=8, metavar="N", help="downloads at a time (default 8)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30,
        metavar="S",
        help="seconds without an answer until a download is tried again (default 30)",
    )
    arguments = parser.parse_args(argv)
    arguments.out = arguments.out.expanduser().absolute()
    arguments.symbol = list(dict.fromkeys(symbol.upper() for symbol in arguments.symbol))
    for symbol in arguments.symbol:
        if not re.fullmatch(r"[A-Z0-9_]+", symbol):
            raise InputError(f"--symbol: {symbol} is no pair of Binance: write it as BTCUSDT.")
    if not re.match(r"https?://[^/]", arguments.base_url):
        raise InputError(f"--base-url: {arguments.base_url} is no address: start it with https://")
    if arguments.jobs < 1 or not 0 < arguments.timeout < math.inf:
        raise InputError("--jobs and --timeout: give numbers above 0.")
    arguments.start = month_of("--start", arguments.start)
    arguments.end = month_of("--end", arguments.end)
    if arguments.start.year < FIRST_YEAR:
        raise InputError(f"--start: no exchange was there before {FIRST_YEAR}: check the year.")
    if arguments.start > arguments.end:
        raise InputError("--start is after --end: exchange them.")
    if arguments.end > (today := utc_today()):
        raise InputError(f"--end: {arguments.end:%Y-%m} is in the future: {today:%Y-%m} is now.")
    return arguments


def month_of(flag: str, text: str) -> date:
    """Return the first day of a month that was written as YYYY-MM."""
    try:
        return datetime.strptime(text, "%Y-%m").date()
    except ValueError as error:
        raise InputError(f"{flag}: {text} is no month: write it as 2025-01.") from error


def retry_after_s(header: str) -> float:
    """Return the seconds that a Retry-After asks to wait, a minute at most; 0 without one."""
    try:
        seconds: float = int(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0
    return min(max(seconds, 0), 60)


def reason(error: BaseException) -> str:
    """Return why a request failed: what lies at the root, without the library's wrappings."""
    while below := error.__cause__ or error.__context__:
        error = below
    return one_line(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def keep(content: bytes, path: Path) -> None:
    """Write a file, complete or not at all."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    arriving = path.with_suffix(".arriving")
    try:
        arriving.write_bytes(content)
        os.replace(arriving, path)
    finally:
        arriving.unlink(missing_ok=True)


def utc_today() -> date:
    """Return the current day, UTC."""
    return datetime.now(UTC).date()


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def months(start: date, end: date) -> Iterator[date]:
    """Yield the months from start to end, both included."""
    while start <= end:
        yield start
        start = next_month(start)


def days(start: date, end: date) -> Iterator[date]:
    """Yield the days from start up to, and not including, end."""
    while start < end:
        yield start
        start += timedelta(days=1)


def dumps_in(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return the dumps that a parquet file is made of: their SHA-256 by name.

    Raises InputError for a file of that name which is not of our making.
    """
    if not path.exists():
        return {}
    try:
        listed = market_files.read_metadata(connection, path)["dumps"]
        return dict(line.split(" ") for line in listed.splitlines())
    except (duckdb.Error, KeyError, ValueError) as error:
        raise InputError(
            f"{path} was not written by scripts.fetch: move it away, or choose another --out."
        ) from error


def fetch(
    connection: duckdb.DuckDBPyConnection, arguments: argparse.Namespace
) -> tuple[list[Path], list[str]]:
    """Do what the command line asks for; return the parquet files, and what went wrong."""
    archive = Archive(
        arguments.base_url, arguments.out / DOWNLOADS, arguments.timeout, arguments.jobs
    )
    updates = []
    for symbol in arguments.symbol:
        for leg in FOLDERS:
            series = Series(leg, symbol, arguments.interval)
            path = arguments.out / series.file_name
            asked = [series.monthly(month) for month in months(arguments.start, arguments.end)]
            updates.append(Update(series, path, dumps_in(connection, path), asked))
    with tqdm(desc="download", unit="dump", leave=False, disable=None) as progress:
        for wanted in (lambda update: update.months, Update.last_days, Update.days_to_fill):
            download(archive, updates, wanted, arguments.jobs, progress)
    for update in updates:
        if update.fresh:
            extend(connection, update, archive)
        if not update.faults and update.path.exists():
            print(describe(connection, update), file=sys.stderr)
        for period in [] if update.faults else update.absences():
            print(f"{update.series.name}: {period} is not published", file=sys.stderr)

    paths = [update.path for update in updates if not update.faults and update.path.exists()]
    # a server that does not answer is said once
    errors = list(dict.fromkeys(fault for update in updates for fault in sorted(update.faults)))
    errors += [
        f"{update.path} {'is left as it was' if update.path.exists() else 'is not written'}."
        for update in updates
        if update.faults
    ]
    if not errors:
        shutil.rmtree(archive.folder, ignore_errors=True)
    if not paths and not errors:
        raise InputError(
            f"nothing of {' '.join(arguments.symbol)} is published at {archive.base_url} from"
            f" {arguments.start:%Y-%m} to {arguments.end:%Y-%m}: check --symbol and the months."
        )
    for sample in remove_sample(arguments.out) if paths else []:
        print(f"{sample} removed: invented data would mix with real ones", file=sys.stderr)
    return paths, errors


def download(
    archive: Archive,
    updates: list[Update],
    wanted: Callable[[Update], list[Dump]],
    jobs: int,
    progress: tqdm[NoReturn],
) -> None:
    """Download the wanted dumps that no parquet file holds yet, several at a time."""
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {
            pool.submit(archive.download, dump): (update, dump)
            for update in updates
            if not update.faults
            for dump in wanted(update)
            if not update.is_had(dump)
        }
        progress.total = (progress.total or 0) + len(running)
        for done in as_completed(running):
            update, dump = running[done]
            try:
                if sha256 := done.result():
                    update.fresh[dump] = sha256
            except FetchError as error:
                update.faults.append(str(error))
            progress.update()
    finally:
        # after an interrupt, what is under way may hang for long
        pool.shutdown(wait=False, cancel_futures=True)


def extend(connection: duckdb.DuckDBPyConnection, update: Update, archive: Archive) -> None:
    """Write a parquet file with its rows of before and those of its fresh dumps.

    A dump that is not laid out as such dumps are is a fault; with any fault, nothing is written.
    """
    series, held = update.series, update.held
    listed = held | {dump.name: sha256 for dump, sha256 in update.fresh.items()}
    replaced = ["false"]
    for month in update.months:
        inner_days = {day.name for day in update.days(month)} & held.keys()
        if inner_days and month in update.fresh:
            # a month takes the place of its days
            listed = {name: sha256 for name, sha256 in listed.items() if name not in inner_days}
            replaced.append(f"timestamp >= '{month.start}' and timestamp < '{month.end}'")
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS[series.kind].items())
    connection.execute(f"create or replace table fetched ({columns})")
    for dump in sorted(update.fresh, key=lambda dump: dump.start):
        kept = archive.kept(dump)
        with tempfile.TemporaryDirectory(dir=archive.folder) as folder:
            try:
                load(connection, series, dump, market_files.unzipped(kept, Path(folder)))
            except InputError as error:
                # the files are not for long: the address is what names the dump
                fault = str(error).replace(f"{kept.parent}/", "").replace(f"{folder}/", "")
                update.faults.append(f"{archive.url(dump)}: {fault}")
    if update.faults:
        return
    rows = "from fetched"
    if held:
        old = sql_text(market_files.glob_escape(update.path))
        rows += f" union all from read_parquet({old}) where not ({' or '.join(replaced)})"
    market_files.write_parquet(
        connection,
        f"from ({rows}) order by timestamp",
        update.path,
        {"dumps": "\n".join(f"{name} {listed[name]}" for name in sorted(listed))},
    )


def load(connection: duckdb.DuckDBPyConnection, series: Series, dump: Dump, csv: Path) -> None:
    """Add the rows of a dump's CSV to the table `fetched`, one per time.

    Raises InputError where the columns are not what they should be.
    """
    sources = SOURCES[series.kind]
    header = market_files.csv_header(csv)
    names = header or market_files.HEADERLESS[series.kind]
    if absent := sorted(set(sources.values()) - set(names)):
        raise InputError(
            f"its layout has changed: no {', '.join(absent)} among {', '.join(names)}: {REMEDY}."
        )
    epoch = f"try_cast({sources['timestamp']} as hugeint)"
    numbers = [name for name in sources if name != "timestamp"]
    typed = ", ".join(
        f"try_cast({sources[name]} as {COLUMNS[series.kind][name]}) as {name}" for name in numbers
    )
    try:
        connection.execute(
            "create or replace temp table dump_rows as"
            f" select ({utc_from_epoch(epoch)}) at time zone 'UTC' as timestamp, {typed},"
            " source_row"
            f" from {market_files.csv_rows(csv, names, is_headed=header is not None)}"
        )
    except duckdb.Error as error:
        raise InputError(f"its layout has changed ({one_line(str(error))}): {REMEDY}.") from error
    are_read = " and ".join(f"coalesce(isfinite({name}), false)" for name in numbers)
    early = f"interval {EARLY_MS[series.kind]} milliseconds"
    counts = connection.execute(f"""
        select
            count(*),
            count(*) filter (timestamp is null or not ({are_read})),
            count(*) filter ({IN_ORDER[series.kind]}),
            count(*) filter (
                timestamp + {early} < '{dump.start}' or timestamp + {early} >= '{dump.end}'
            ),
            count(distinct timestamp),
            count(distinct row(timestamp, {", ".join(numbers)}))
        from dump_rows
    """)
    rows, unread, in_order, outside, times, contents = one_row(counts)
    if not rows:
        raise InputError("it holds no row: try again later.")
    if unread or 2 * in_order <= rows:
        raise InputError(
            f"its layout has changed: {unread or rows - in_order} of {rows} rows do not fit the"
            f" columns {', '.join(names)}: {REMEDY}."
        )
    if outside:
        raise InputError(f"{outside} of its {rows} rows are not of {dump.period}: {REMEDY}.")
    if contents > times:
        print(
            f"{dump.name}: {contents - times} rows with the time of another row but other"
            " values: the last was kept",
            file=sys.stderr,
        )
    connection.execute(f"""
        insert into fetched by name
        select
            {f"{sql_text(series.symbol)} as symbol," if series.kind == "prints" else ""}
            * exclude (source_row)
        from dump_rows
        qualify row_number() over (partition by timestamp order by source_row desc) = 1
    """)


@functools.cache
def utc_from_epoch(value: str) -> str:
    """Return the SQL that turns an integer since 1970, in whatever unit, into a UTC time."""
    sql: str = input_macros({}).utc_from_epoch(value)
    return sql


def describe(connection: duckdb.DuckDBPyConnection, update: Update) -> str:
    """Return what a parquet file holds, as a person reads it."""
    rows, first, last = one_row(
        connection.execute(
            "select count(*), strftime(min(timestamp), '%Y-%m-%d %H:%M'),"
            " strftime(max(timestamp), '%Y-%m-%d %H:%M') from read_parquet(?)",
            [market_files.glob_escape(update.path)],
        )
    )
    series = update.series
    what = "prints" if series.kind == "prints" else f"bars of {series.interval}"
    return f"{series.name}: {rows} {what}, {first} to {last}"


@contextmanager
def folder_of_our_own(out: Path) -> Iterator[None]:
    """Make a folder, and let no other fetch write to it meanwhile.

    Raises InputError where it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            folder = os.open(out, os.O_RDONLY)
            stack.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (out / DOWNLOADS).mkdir(exist_ok=True)
            for left_by_a_kill in out.glob(".binance_*.writing"):
                left_by_a_kill.unlink()
        except BlockingIOError as error:
            raise InputError(f"--out: another fetch is writing to {out}: wait for it.") from error
        except OSError as error:
            raise InputError(
                f"--out: {out} cannot be written to ({error.strerror}): choose another folder."
            ) from error
        try:
            yield
        finally:
            with suppress(OSError):
                (out / DOWNLOADS).rmdir()


def main() -> int:
    """Fetch, and turn what went wrong into an exit code and a message."""
    try:
        arguments = parse_arguments(sys.argv[1:])
        with folder_of_our_own(arguments.out), connect() as connection:
            connection.execute("set timezone = 'UTC'")
            paths, errors = fetch(connection, arguments)
    except InputError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, RuntimeError) as error:
        # what an interrupt becomes within DuckDB
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":
            raise
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    except (OSError, duckdb.IOException) as error:
        print(
            f"error: could not write ({one_line(str(error))}): make room or check the rights, and"
            " run the same command again.",
            file=sys.stderr,
        )
        return 2
    for path in paths:
        print(path)
    for message in errors:
        print(f"error: {message}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # downloads that were under way at an interrupt would hold up an orderly exit
    os._exit(code)
