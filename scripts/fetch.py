"""Download spot bars, perpetual bars and funding prints from Binance's public dumps.

usage: python -m scripts.fetch --symbol BTCUSDT --start 2024-01 --end 2025-09 [--interval 5m]

Writes binance_{spot,perp}_<SYMBOL>_<interval>.parquet and binance_funding_<SYMBOL>.parquet, and
prints their paths to stdout. A file records the dumps that it is made of (its metadata, `dumps`):
a further call fetches what is missing, and the file is what one call would have written. If a
call is interrupted, the next one uses what it had downloaded.

Source: https://data.binance.vision. Klines of a month without a monthly file are taken from
the daily ones. Funding has monthly files only, so the current month is missing.

Nothing that arrives is trusted: a transfer has a bound on its bytes and its time, and each dump
is checked against its SHA-256, its period, its interval and the values that the exchange can
print, before it replaces anything. A monthly dump may still lack days that were traded (the
exchange has published such months and replaced them later). The days of a month without any
row are missing if the series has rows both before and after them; a listing or a delisting
within the month is not, and neither is a halt of hours. For missing days the month and the daily
dumps are requested again by each call, and those that are not published are listed on stderr.

Exit 0: done, unpublished months and days listed. Exit 1: a dump could not be downloaded or used,
its parquet file is left as it was. Exit 2: bad usage, or files that cannot be written.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.client
import math
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

import duckdb
import requests
import tenacity
import urllib3
from tqdm import tqdm

from scripts import market_files
from scripts.command_line import (
    OneLineParser,
    folder_path,
    is_interrupt,
    is_out_of_memory,
    number,
    one_line,
    run_command,
    say,
    whole_number,
)
from scripts.database import connect, one_row
from scripts.files import locked, private_folder, put_in_place, remove_abandoned
from scripts.inputs import input_macros
from scripts.project import ROOT, BuildError, InputError, sql_text
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
# The widest cap that Binance has set on a print is 4 % (ALPACAUSDT, April 2025).
MAX_RATE = 0.05
# Binance prints exactly its interest rate while perpetual and index price agree: a fraction of
# 0.0001 per 8 hours, the most common rate of most symbols. In percent it is this one.
INTEREST_RATE = 0.0001
INTEREST_RATE_IN_PERCENT = 0.01
# Half of the positive prints of a month are never above this fraction, 1.5 % a day, which anybody
# could earn by selling the perpetual against spot. Negative rates, which take borrowed coins to
# earn, stay beyond it for whole months of a squeeze.
MAX_MEDIAN_POSITIVE_RATE = 0.005
# what no row may be, and how a message says so
NOT_PLAUSIBLE = {
    "bars": {
        "have a price of zero or below": "least(open, high, low, close) <= 0",
        "have a negative volume": "least(volume, quote_volume) < 0",
        "have a high below the low": "high < low",
    },
    "prints": {
        f"have a rate beyond {MAX_RATE:.0%}, which Binance does not charge, but a rate in percent"
        " looks like": f"abs(funding_rate) > {MAX_RATE}",
    },
}
# After halts in December 2017 and February 2018 Binance stamped bars some seconds off the grid,
# for up to two weeks; since then it does not.
GRID_SINCE = date(2019, 1, 1)
# a print may be stamped some milliseconds before its month
EARLY_MS = {"bars": 0, "prints": 500}
REMEDY = "leave it out with --start and --end, or adapt scripts/fetch.py"
DATA_REMEDY = "leave it out with --start and --end, or try again when it is published anew"
# The largest dump is a month of 1m bars, 44,640 rows of at most 200 bytes: 9 MB unpacked, 4 MB
# packed. Neither its zip nor its CSV may be larger than this.
MAX_DUMP_BYTES = 64 << 20
# a SHA-256 and a file name
MAX_CHECKSUM_BYTES = 4 << 10
# a kline has 12 columns
MAX_COLUMNS = 64
CHUNK_BYTES = 64 << 10
MAX_JOBS = 64
MAX_TIMEOUT_S = 3600
FIRST_YEAR = 2009
ATTEMPTS = 6
CONNECT_TIMEOUT_S = 10
# A transfer with all its attempts may take as many times --timeout, but no less than that many
# seconds: 5 minutes as a default, enough for the largest dump at 15 kB a second.
TRANSFER_TIMEOUTS = 10
LEAST_TRANSFER_S = 10
REDIRECTS = {301, 302, 303, 307, 308}
MAX_REDIRECTS = 5
LOST_CONNECTION = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.ReadTimeoutError,
)
BACK_OFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=30, jitter=0.5)


Result = TypeVar("Result")


class FetchError(Exception):
    """A dump that could not be had or used; the message names it."""


class TemporaryError(Exception):
    """An answer that is worth another try: too many requests, or the server's own fault."""

    def __init__(self, response: requests.Response) -> None:
        """Keep how long the server asks to wait."""
        super().__init__(f"HTTP {response.status_code}")
        self.retry_after_s = retry_after_s(response.headers.get("Retry-After", ""))


class TransferTimeoutError(Exception):
    """A transfer that is not complete after the time that it may take."""


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


class Session(requests.Session):
    """A session that leaves redirects to its caller.

    requests would read the whole body of each redirect into memory, and follow it anywhere.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: nothing is followed."""
        return None


class Arrival(NamedTuple):
    """A file that was received, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


class Archive:
    """The published dumps at a URL, and the folder that keeps them until they are used."""

    def __init__(
        self, base_url: str, folder: Path, work: Path, timeout_s: float, jobs: int
    ) -> None:
        """Open no connection yet; work is a folder for files that arrive.

        timeout_s is the time without a byte after which an attempt fails, in seconds.
        """
        self.base_url = base_url.rstrip("/")
        self.folder = folder
        self.work = work
        self.timeouts_s = (min(timeout_s, CONNECT_TIMEOUT_S), timeout_s)
        self.transfer_s = transfer_s(timeout_s)
        self.session = Session()
        # a body that is packed would be larger than what was counted
        self.session.headers["Accept-Encoding"] = "identity"
        self.session.mount(self.base_url, requests.adapters.HTTPAdapter(pool_maxsize=jobs))
        self.answered_at = self.completed_at = -math.inf
        self.silence = ""

    def url(self, dump: Dump) -> str:
        """Return a dump's address."""
        return f"{self.base_url}/{dump.path}"

    def kept(self, dump: Dump) -> Path:
        """Return where a dump lies once it is downloaded."""
        return self.folder / dump.path

    def download(self, dump: Dump) -> str | None:
        """Fetch a dump into the folder; return its SHA-256, or None where it is not published.

        Raises FetchError where it cannot be downloaded, or does not match its checksum.
        """
        url, kept = self.url(dump), self.kept(dump)
        arrival = arrived(kept) if kept.exists() else self.get(url, MAX_DUMP_BYTES)
        if arrival is None:
            return None
        published = self.get(f"{url}.CHECKSUM", MAX_CHECKSUM_BYTES)
        if published is None:
            raise FetchError(f"{url} has no .CHECKSUM to be checked against: try again later.")
        expected = published.path.read_text("ascii", "replace").split(maxsplit=1)[:1]
        if not expected or not re.fullmatch(r"[0-9a-fA-F]{64}", expected[0]):
            raise FetchError(f"{url}.CHECKSUM holds no SHA-256: try again later.")
        if arrival.sha256 == expected[0].lower():
            if arrival.path != kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                put_in_place(arrival.path, kept)
            return arrival.sha256
        if arrival.path == kept:
            # published anew since it was downloaded
            kept.unlink()
            return self.download(dump)
        raise FetchError(
            f"{url} has the SHA-256 {arrival.sha256[:12]}…, its .CHECKSUM says"
            f" {expected[0][:12]}…: it is damaged, try again later."
        )

    def get(self, url: str, most_bytes: int) -> Arrival | None:
        """Receive what a URL holds, or None if there is nothing (404).

        Raises FetchError where it cannot be received, is larger, or takes too long. A server
        that answered nothing to anybody during all attempts, or completed nothing within the
        time of a transfer, is not asked again: each further dump would take as long to fail.
        """
        started_at = time.monotonic()
        deadline = started_at + self.transfer_s
        try:
            arrival: Arrival | None = within(
                self.transfer_s, lambda: self.try_to_get(url, most_bytes, deadline)
            )
            return arrival
        except TransferTimeoutError as error:
            slow = f"is not complete after {self.transfer_s:g} s"
            remedy = "run the same command again, with a longer --timeout."
            if self.completed_at < started_at:
                self.silence = self.silence or f"{self.base_url}: {url} {slow}: {remedy}"
                raise FetchError(self.silence) from error
            raise FetchError(f"{url} {slow}: {remedy}") from error
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
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            ValueError,
        ) as error:
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
    def try_to_get(self, url: str, most_bytes: int, deadline: float) -> Arrival | None:
        """Receive what a URL holds, or None if there is nothing (404), in several attempts.

        deadline is a time of time.monotonic(); after it TransferTimeoutError is raised.
        """
        if self.silence:
            raise FetchError(self.silence)
        if time.monotonic() > deadline:
            raise TransferTimeoutError
        with self.open(url) as response:
            if response.status_code == 200:
                arrival = self.receive(response, url, most_bytes, deadline)
            else:
                # a short answer that is read to its end leaves the connection usable
                response.raw.read1(CHUNK_BYTES, decode_content=False)
                arrival = None
        self.completed_at = time.monotonic()
        if response.status_code == 429 or response.status_code >= 500:
            raise TemporaryError(response)
        if response.status_code not in (200, 404):
            raise FetchError(
                f"{url} is refused (HTTP {response.status_code}"
                f" {market_files.shortened(str(response.reason))}): check --base-url."
            )
        return arrival

    def open(self, url: str) -> requests.Response:
        """Return the answer of a URL, and of where it is redirected to, its body not yet read.

        Raises FetchError for a redirect that is not followed.
        """
        address = url
        for _ in range(MAX_REDIRECTS + 1):
            response = self.session.get(address, timeout=self.timeouts_s, stream=True)
            self.answered_at = time.monotonic()
            if response.status_code not in REDIRECTS:
                return response
            response.close()
            target = response.headers.get("Location", "")
            shown = market_files.shortened(target) or "nowhere"
            try:
                target = urljoin(address, target)
                old, new = urlsplit(address), urlsplit(target)
                is_followed = new.scheme in ("http", "https") and new.hostname is not None
            except ValueError:
                is_followed = False
            if not is_followed or target == address:
                raise FetchError(
                    f"{url} is redirected to {shown}, which is no other http(s) address: check"
                    " --base-url."
                )
            if (old.scheme, new.scheme) == ("https", "http"):
                raise FetchError(
                    f"{url} is redirected to {shown}, from https to http, where anybody could"
                    " change it: check --base-url."
                )
            address = target
        raise FetchError(f"{url} is redirected more than {MAX_REDIRECTS} times: check --base-url.")

    def receive(
        self, response: requests.Response, url: str, most_bytes: int, deadline: float
    ) -> Arrival:
        """Write a body to a file of the work folder as it arrives.

        Raises FetchError where it is larger than most_bytes or packed in transit.
        """
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise FetchError(
                f"{url} arrives with the Content-Encoding {market_files.shortened(encoding)},"
                " which was not asked for: check --base-url, or a proxy in between."
            )
        too_large = FetchError(
            f"{url} is larger than {most_bytes:,} bytes, which no such file of Binance is: check"
            " --base-url."
        )
        # what the header says; None where it says nothing or no number
        if (response.raw.length_remaining or 0) > most_bytes:
            raise too_large
        digest, received = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.work, delete=False) as file:
            try:
                # what a single read of the socket gives, undecoded: never more than a chunk
                while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                    received += len(chunk)
                    if received > most_bytes:
                        raise too_large
                    if time.monotonic() > deadline:
                        raise TransferTimeoutError
                    digest.update(chunk)
                    file.write(chunk)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return Arrival(Path(file.name), digest.hexdigest())


class Part(NamedTuple):
    """A dump that was downloaded, checked and read: a parquet file of its rows."""

    sha256: str
    path: Path
    # days (UTC) that have a row
    days: set[date]


@dataclass(eq=False)
class Update:
    """What a call is to add to a parquet file."""

    series: Series
    path: Path
    # the SHA-256 of the dumps that the file is made of, by their names
    held: dict[str, str]
    # the days (UTC) of which the file has a row, or will
    days_with_rows: set[date]
    # what the command line asks for
    months: list[Dump]
    asked: set[Dump] = field(default_factory=set)
    # the dumps that were downloaded for it
    fresh: dict[Dump, Part] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, dump: Dump, part: Part) -> None:
        """Take a dump in; a month takes the place of what the file has of it."""
        self.fresh[dump] = part
        self.days_with_rows.difference_update(days(dump.start, dump.end))
        self.days_with_rows |= part.days

    def has(self, dump: Dump) -> bool:
        """Whether the file holds a dump, or will."""
        is_replaced = any(
            month.start <= dump.start and dump.end <= month.end and month != dump
            for month in self.fresh
        )
        return dump in self.fresh or (dump.name in self.held and not is_replaced)

    def days(self, month: Dump) -> list[Dump]:
        """Return the daily dumps of a month until yesterday; funding has none."""
        if self.series.leg == "funding":
            return []
        return [self.series.daily(day) for day in days(month.start, min(month.end, utc_today()))]

    def missing_days(self, month: Dump) -> list[date]:
        """Return the days of a month that have no row, though the series has earlier and later.

        Before its first row a series may not have been listed; after the last it may be
        delisted, or not published yet.
        """
        if not self.days_with_rows:
            return []
        first, last = min(self.days_with_rows), max(self.days_with_rows)
        return [
            day
            for day in days(max(month.start, first), min(month.end, last))
            if day not in self.days_with_rows
        ]

    def months_to_ask(self) -> list[Dump]:
        """Return the months that the file does not hold, or not all days of."""
        return [month for month in self.months if not self.has(month) or self.missing_days(month)]

    def last_days(self) -> list[Dump]:
        """Return the last day of each month before the first published one."""
        return [
            self.days(month)[-1]
            for month in self.months
            if month.start < self.listed_from() and self.days(month)
            if not self.has(self.days(month)[-1])
        ]

    def days_to_fill(self) -> list[Dump]:
        """Return the missing days of months, and all days of those not published as one.

        A month before the first published one whose last day is not published either was
        before the listing: of it no other day is asked for.
        """
        wanted: list[Dump] = []
        for month in self.months:
            if self.has(month):
                missing = set(self.missing_days(month))
                wanted += [day for day in self.days(month) if day.start in missing]
            elif self.days(month) and (
                month.start > self.listed_from() or self.has(self.days(month)[-1])
            ):
                wanted += self.days(month)
        return [day for day in wanted if not self.has(day)]

    def listed_from(self) -> date:
        """Return the first month that is published as one."""
        return min((month.start for month in self.months if self.has(month)), default=date.min)

    def absences(self) -> list[str]:
        """Return the periods that are not published, as a person reads them."""
        absent: list[Dump] = []
        for month in self.months:
            if self.has(month):
                absent += [self.series.daily(day) for day in self.missing_days(month)]
                continue
            missing = [day for day in self.days(month) if not self.has(day)]
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
        "--out",
        type=folder_path,
        default=ROOT / "data" / "raw",
        metavar="DIR",
        help="default: data/raw",
    )
    parser.add_argument("--base-url", default=BASE_URL, help=f"default: {BASE_URL}")
    parser.add_argument(
        "--jobs", type=whole_number, default=8, metavar="N", help="downloads at a time (default 8)"
    )
    parser.add_argument(
        "--timeout",
        type=number,
        default=30,
        metavar="S",
        help="seconds without a byte until a download is tried again (default 30); a file with"
        f" all its attempts may take {TRANSFER_TIMEOUTS} times as long, and at least"
        f" {LEAST_TRANSFER_S} s",
    )
    arguments = parser.parse_args(argv)
    for symbol in arguments.symbol:
        if not re.fullmatch(r"[A-Za-z0-9_]{1,50}", symbol):
            raise InputError(
                f"--symbol: {symbol.upper()} is no pair of Binance: write it as BTCUSDT."
            )
    arguments.symbol = list(dict.fromkeys(symbol.upper() for symbol in arguments.symbol))
    check_address(arguments.base_url)
    if arguments.jobs < 1 or arguments.timeout <= 0:
        raise InputError("--jobs and --timeout: give numbers above 0.")
    if arguments.jobs > MAX_JOBS or arguments.timeout > MAX_TIMEOUT_S:
        raise InputError(
            f"--jobs and --timeout: give at most {MAX_JOBS} jobs and {MAX_TIMEOUT_S} seconds."
        )
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
        # strptime alone takes the digits of every script
        return datetime.strptime(text if text.isascii() else "", "%Y-%m").date()
    except ValueError as error:
        raise InputError(f"{flag}: {text} is no month: write it as 2025-01.") from error


def check_address(address: str) -> None:
    """Refuse an address that no dump could be appended to, or that holds a password."""
    try:
        parts = urlsplit(address)
        is_address = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and not parts.query
            and not parts.fragment
            and not re.search(r"[^!-~]|[?#\\]", address)
        )
    except ValueError:
        is_address = False
    if not is_address:
        raise InputError(
            f"--base-url: {address} is no address of a folder: write it as"
            " https://data.binance.vision."
        )
    if "@" in parts.netloc:
        # without the address: what is said may be kept
        raise InputError("--base-url holds a user's name or password: give the address alone.")


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
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return market_files.shortened(one_line(text))


def transfer_s(timeout_s: float) -> float:
    """Return the seconds that a file with all its attempts may take."""
    return max(TRANSFER_TIMEOUTS * timeout_s, LEAST_TRANSFER_S)


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what some work on the network returns, in a thread that can be left alone.

    A time-out of a socket starts again with each byte, so that a server could hold a transfer
    for ever, within a header or a handshake, too. Raises TransferTimeoutError.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(timeout=seconds)
    except TimeoutError as error:
        if outcome.done():
            raise
        raise TransferTimeoutError from error


def arrived(path: Path) -> Arrival:
    """Return a file that was received earlier."""
    with path.open("rb") as file:
        return Arrival(path, hashlib.file_digest(file, "sha256").hexdigest())


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


def update_of(
    connection: duckdb.DuckDBPyConnection, series: Series, out: Path, asked: Iterable[date]
) -> Update:
    """Return the update of a series, with what its parquet file already holds.

    Raises InputError for a file of that name which scripts.fetch has not written.
    """
    path = out / series.file_name
    held: dict[str, str] = {}
    days_with_rows: set[date] = set()
    if path.exists():
        try:
            if not path.is_file():
                raise ValueError("a pipe would be waited for")
            listed = market_files.read_metadata(connection, path)["dumps"]
            held = dict(line.split(" ") for line in listed.splitlines())
            days_with_rows = days_in(connection, series, path)
        except (duckdb.Error, KeyError, ValueError) as error:
            raise InputError(
                f"{path} was not written by scripts.fetch: move it away, or choose another --out."
            ) from error
    return Update(series, path, held, days_with_rows, [series.monthly(month) for month in asked])


def days_in(connection: duckdb.DuckDBPyConnection, series: Series, path: Path) -> set[date]:
    """Return the days (UTC) of which a parquet file has a row."""
    found = connection.execute(
        f"select distinct ({in_period(series)})::date from read_parquet(?)",
        [market_files.glob_escape(path)],
    )
    return {day for (day,) in found.fetchall()}


def in_period(series: Series) -> str:
    """Return the SQL of a row's time, moved into the month that a row stamped early is of."""
    return f"(timestamp + interval {EARLY_MS[series.kind]} milliseconds)"


def fetch(arguments: argparse.Namespace) -> Iterator[Path]:
    """Do what the command line asks for; yield the parquet files that are complete.

    Raises BuildError, a line for each fault, where dumps could not be downloaded or used.
    """
    with (
        folder_of_our_own(arguments.out) as work,
        connect() as connection,
        tqdm(desc="download", unit="dump", leave=False, disable=None) as progress,
    ):
        connection.execute("set timezone = 'UTC'")
        archive = Archive(
            arguments.base_url,
            arguments.out / DOWNLOADS,
            work,
            arguments.timeout,
            arguments.jobs,
        )
        asked = list(months(arguments.start, arguments.end))
        updates = [
            update_of(connection, Series(leg, symbol, arguments.interval), arguments.out, asked)
            for symbol in arguments.symbol
            for leg in FOLDERS
        ]
        for wanted in (
            Update.months_to_ask,
            # of months that lack days, which a later month shows
            Update.months_to_ask,
            Update.last_days,
            Update.days_to_fill,
        ):
            download(connection, archive, updates, wanted, arguments.jobs, progress)
        progress.close()
        for update in updates:
            if update.fresh and not update.faults:
                extend(connection, update)
            report(connection, update)
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
            say(one_line(f"{sample} removed: invented data would mix with real ones"))
        yield from paths
        if errors:
            raise BuildError("\n".join(f"error: {one_line(error)}" for error in errors))


def report(connection: duckdb.DuckDBPyConnection, update: Update) -> None:
    """Say what a parquet file holds, and what of it is not published."""
    for note in sorted(update.notes):
        say(one_line(note))
    if update.faults:
        return
    if update.path.exists():
        say(one_line(describe(connection, update)))
    for period in update.absences():
        say(f"{update.series.name}: {period} is not published")


def download(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    updates: list[Update],
    wanted: Callable[[Update], list[Dump]],
    jobs: int,
    progress: tqdm[NoReturn],
) -> None:
    """Download the wanted dumps that were not asked for yet, several at a time, and read them."""
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {
            pool.submit(archive.download, dump): (update, dump)
            for update in updates
            if not update.faults
            for dump in wanted(update)
            if dump not in update.asked
        }
        progress.total = (progress.total or 0) + len(running)
        for done in as_completed(running):
            update, dump = running[done]
            update.asked.add(dump)
            try:
                if sha256 := done.result():
                    read(connection, archive, update, dump, sha256)
            except FetchError as error:
                update.faults.append(str(error))
            progress.update()
    finally:
        # after an interrupt, what is under way may hang for long
        pool.shutdown(wait=False, cancel_futures=True)


def read(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    update: Update,
    dump: Dump,
    sha256: str,
) -> None:
    """Check a downloaded dump, and write its rows to a parquet file of their own.

    Raises FetchError for one that is not as such dumps are.
    """
    kept = archive.kept(dump)
    part = archive.work / f"{dump.path.replace('/', '-')}.parquet"
    with tempfile.TemporaryDirectory(dir=archive.work) as folder:
        try:
            csv = market_files.unzipped(kept, Path(folder), MAX_DUMP_BYTES)
            update.notes += load(connection, update.series, dump, csv)
        except InputError as error:
            # the files are not for long: the address is what names the dump
            fault = str(error).replace(f"{kept.parent}/", "").replace(f"{folder}/", "")
            raise FetchError(f"{archive.url(dump)}: {fault}") from error
    connection.execute(f"copy fetched to {sql_text(str(part))} (format parquet)")
    update.add(dump, Part(sha256, part, days_in(connection, update.series, part)))


def extend(connection: duckdb.DuckDBPyConnection, update: Update) -> None:
    """Write a parquet file with its rows of before and those of its fresh dumps."""
    series, held = update.series, update.held
    listed = held | {dump.name: part.sha256 for dump, part in update.fresh.items()}
    replaced = ["false"]
    for month in update.months:
        if month in update.fresh:
            # a month takes the place of its days, and of itself as it was
            inner_days = {day.name for day in update.days(month)} & held.keys()
            fresh_days = {day.name for day in update.fresh}
            listed = {
                name: sha256
                for name, sha256 in listed.items()
                if name not in inner_days or name in fresh_days
            }
            replaced.append(
                f"{in_period(series)} >= '{month.start}' and {in_period(series)} < '{month.end}'"
            )
    parts = ", ".join(
        sql_text(market_files.glob_escape(update.fresh[dump].path))
        for dump in sorted(update.fresh, key=lambda dump: dump.start)
    )
    # read from a table, whether there are old rows or not: the plan shows in the file's bytes
    connection.execute(f"create or replace temp table fetched as from read_parquet([{parts}])")
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


def load(connection: duckdb.DuckDBPyConnection, series: Series, dump: Dump, csv: Path) -> list[str]:
    """Make the table `fetched` of a dump's CSV, one row per time; return what is to be noted.

    Raises InputError where the columns, the times or the values are not what they should be.
    """
    sources = SOURCES[series.kind]
    header = market_files.csv_header(csv)
    if header and len(header) > MAX_COLUMNS:
        raise InputError(
            f"its layout has changed: it has {len(header):,} columns, at most {MAX_COLUMNS} are"
            f" expected: {REMEDY}."
        )
    names = header or market_files.HEADERLESS[series.kind]
    listed = market_files.shortened(", ".join(names))
    if absent := sorted(set(sources.values()) - set(names)):
        raise InputError(
            f"its layout has changed: no {', '.join(absent)} among {listed}: {REMEDY}."
        )
    epoch = f"try_cast({sources['timestamp']} as hugeint)"
    numbers = [name for name in sources if name != "timestamp"]
    typed = ", ".join(
        f"{market_files.sql_number(sources[name], COLUMNS[series.kind][name])} as {name}"
        for name in numbers
    )
    try:
        connection.execute(
            "create or replace temp table dump_rows as"
            f" select ({utc_from_epoch(epoch)}) at time zone 'UTC' as timestamp, {typed},"
            " source_row"
            f" from {market_files.csv_rows(csv, names, is_headed=header is not None)}"
        )
    except duckdb.Error as error:
        if is_interrupt(error) or is_out_of_memory(error):
            raise
        why = market_files.shortened(one_line(str(error)))
        raise InputError(f"its layout has changed ({why}): {REMEDY}.") from error
    are_read = " and ".join(f"coalesce(isfinite({name}), false)" for name in numbers)
    not_plausible = NOT_PLAUSIBLE[series.kind]
    counts = connection.execute(f"""
        select
            count(*),
            count(*) filter (timestamp is null or not ({are_read})),
            count(*) filter ({IN_ORDER[series.kind]}),
            count(*) filter (
                {in_period(series)} < '{dump.start}' or {in_period(series)} >= '{dump.end}'
            ),
            count(distinct timestamp),
            count(distinct row(timestamp, {", ".join(numbers)})),
            {", ".join(f"count(*) filter ({is_bad})" for is_bad in not_plausible.values())}
        from dump_rows
    """)
    rows, unread, in_order, outside, times, contents, *implausible = one_row(counts)
    if not rows:
        raise InputError("it holds no row: try again later.")
    if unread or 2 * in_order <= rows:
        raise InputError(
            f"its layout has changed: {unread or rows - in_order} of {rows} rows do not fit the"
            f" columns {listed}: {REMEDY}."
        )
    if outside:
        raise InputError(f"{outside} of its {rows} rows are not of {dump.period}: {REMEDY}.")
    for what, count in zip(not_plausible, implausible, strict=True):
        if count:
            raise InputError(f"{count} of its {rows} rows {what}: {DATA_REMEDY}.")
    if series.kind == "bars":
        check_interval(connection, series, dump)
    else:
        check_is_fraction(connection)
    connection.execute(f"""
        create or replace temp table fetched as
        select
            timestamp,
            {f"{sql_text(series.symbol)} as symbol," if series.kind == "prints" else ""}
            {", ".join(numbers)}
        from dump_rows
        qualify row_number() over (partition by timestamp order by source_row desc) = 1
        order by timestamp
    """)
    return (
        [
            f"{dump.name}: {contents - times} rows with the time of another row but other"
            " values: the last was kept"
        ]
        if contents > times
        else []
    )


def check_interval(connection: duckdb.DuckDBPyConnection, series: Series, dump: Dump) -> None:
    """Refuse bars of another interval than was asked for, and bars off its grid.

    A dump of three bars or more has as many steps of its interval as others, or one less: bars
    may be missing after a halt. Raises InputError.
    """
    interval_us = 1000 * market_files.INTERVALS_MS[series.interval]
    steps, regular, most_common_us, rows, off_grid = one_row(
        connection.execute(f"""
            with times as (select distinct epoch_us(timestamp) as time_us from dump_rows),
            steps as (select time_us, time_us - lag(time_us) over (order by time_us) as step_us
                from times)
            select count(step_us), count(*) filter (step_us = {interval_us}), mode(step_us),
                count(*), count(*) filter (time_us % {interval_us} <> 0)
            from steps
        """)
    )
    if 2 * regular + 1 < steps:
        names = {1000 * ms: name for name, ms in market_files.INTERVALS_MS.items()}
        step = names.get(most_common_us, f"{most_common_us / 1e6:g} s")
        raise InputError(f"its bars are {step} apart, not {series.interval}: {DATA_REMEDY}.")
    if off_grid > (rows // 2 if dump.start < GRID_SINCE else 0):
        raise InputError(
            f"{off_grid} of its {rows} bars do not open at a multiple of {series.interval}:"
            f" {DATA_REMEDY}."
        )


def check_is_fraction(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse funding rates in percent; rates are fractions.

    More prints are the interest rate in percent than are it as a fraction, or positive rates
    are larger than they stay. Raises InputError.
    """
    percents, fractions, median = one_row(
        connection.execute(f"""
            select
                count(*) filter (abs(
                    funding_rate - {INTEREST_RATE_IN_PERCENT} * funding_interval_hours / 8) < 1e-9),
                count(*) filter (abs(
                    funding_rate - {INTEREST_RATE} * funding_interval_hours / 8) < 1e-9),
                median(funding_rate) filter (funding_rate > 0)
            from dump_rows
        """)
    )
    if percents > fractions or (median or 0) > MAX_MEDIAN_POSITIVE_RATE:
        raise InputError(
            f"its rates seem to be in percent, not fractions (the median positive one is"
            f" {median:g}): {DATA_REMEDY}."
        )


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
def folder_of_our_own(out: Path) -> Iterator[Path]:
    """Make a folder that no other fetch writes to meanwhile; yield one in it to work in.

    Raises InputError where it cannot be written to.
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(out))
            (out / DOWNLOADS).mkdir(exist_ok=True)
            stack.callback(remove_if_empty, out / DOWNLOADS)
            remove_abandoned(out, ".writing-")
            # as earlier versions named them
            for left_by_a_kill in out.glob(".binance_*.writing"):
                left_by_a_kill.unlink()
            work = stack.enter_context(private_folder(out / DOWNLOADS, "work-"))
        except BlockingIOError as error:
            raise InputError(
                f"--out: another fetch or import is writing to {out}: wait for it."
            ) from error
        except OSError as error:
            raise InputError(
                f"--out: {out} cannot be written to ({error.strerror}): choose another folder."
            ) from error
        yield work


def remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless something is in it."""
    with suppress(OSError):
        folder.rmdir()


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(
        lambda: fetch(parse_arguments(sys.argv[1:])),
        unwritten="could not write ({}): make room or check the rights, and run the same command"
        " again.",
        stopped="stopped; run the same command again to go on from here",
    )


if __name__ == "__main__":
    code = main()
    # downloads that were under way at an interrupt would hold up an orderly exit
    os._exit(code)
