"""Download spot bars, perpetual bars and funding prints from Binance's public dumps.

usage: python -m scripts.fetch --symbol BTCUSDT --start 2024-01 --end 2025-09 [--interval 5m]

Writes binance_{spot,perp}_<SYMBOL>_<interval>.parquet and binance_funding_<SYMBOL>.parquet, and
prints their paths to stdout. A file knows which dumps it is made of (its metadata, `dumps`): a
further call fetches what is missing, and the file is what one call would have written. Each
dump is checked against its SHA-256. After a kill, what had been downloaded serves again.

Source: https://data.binance.vision. Klines of a month without a monthly file are taken from
the daily ones; funding has monthly files only, so that of the current month is not there.

Exit 0: done, months that are not published named. Exit 1: a dump could not be had or used, its
parquet file is as it was. Exit 2: bad usage.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import requests
import tenacity
from tqdm import tqdm

from scripts import market_files
from scripts.command_line import OneLineParser, one_line
from scripts.inputs import input_macros
from scripts.project import ROOT, InputError, default_vars, sql_text
from scripts.sample_data import remove_sample

BASE_URL = "https://data.binance.vision"
# below the out folder, for dumps that no parquet file holds yet
DOWNLOADS = ".downloads"
FOLDERS = {"spot": "data/spot", "perp": "data/futures/um", "funding": "data/futures/um"}
# column of the parquet file: column of a dump
SOURCES = {
    "bars": {"timestamp": "open_time"} | {
        name: name for name in ("open", "high", "low", "close", "volume", "quote_volume")
    },
    "prints": {
        "timestamp": "calc_time", "funding_rate": "last_funding_rate",
        "funding_interval_hours": "funding_interval_hours",
    },
}
TABLES = {
    "bars": "timestamp timestamptz, open double, high double, low double, close double,"
            " volume double, quote_volume double",
    "prints": "timestamp timestamptz, symbol varchar, funding_rate double,"
              " funding_interval_hours integer",
}
# what holds in most rows as long as the columns are in their order; a bar's average price
# lies within it
IN_ORDER = {
    "bars": "low <= least(open, close) and greatest(open, close) <= high and (volume = 0 or"
            " quote_volume / volume between low * 0.999 and high * 1.001)",
    "prints": "abs(funding_rate) < 1 and funding_interval_hours between 1 and 24",
}
ATTEMPTS = 6
BACK_OFF = tenacity.wait_exponential_jitter(multiplier=0.5, max=30, jitter=0.5)


class FetchError(Exception):
    """A dump that could not be had or used; the message names it."""


class TemporaryError(Exception):
    """An answer that is worth another try: too many requests, or the server's own fault."""

    def __init__(self, response: requests.Response) -> None:
        """Keep how long the server asks to wait, in seconds, a minute at most."""
        super().__init__(f"HTTP {response.status_code}")
        asked = response.headers.get("Retry-After", "")
        self.retry_after = min(int(asked), 60) if asked.isdigit() else 0


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

    def __init__(self, base_url: str, folder: Path, timeout_s: float) -> None:
        """Open no connection yet; timeout_s is for each answer, and each part of one."""
        self.base_url = base_url.rstrip("/")
        self.folder = folder
        self.timeout_s = timeout_s
        self.session = requests.Session()

    def download(self, dump: Dump) -> str | None:
        """Fetch a dump into the folder; return its SHA-256, or None where it is not published.

        Raises FetchError where it cannot be had, or is not what its checksum says.
        """
        kept = self.folder / dump.path
        content = kept.read_bytes() if kept.exists() else self.get(dump.path)
        if content is None:
            return None
        published = self.get(f"{dump.path}.CHECKSUM")
        if published is None:
            raise FetchError(f"{self.url(dump.path)} has no .CHECKSUM: it cannot be trusted.")
        expected = published.decode("ascii", "replace").split(maxsplit=1)[:1]
        if not expected or not re.fullmatch(r"[0-9a-fA-F]{64}", expected[0]):
            raise FetchError(f"{self.url(dump.path)}.CHECKSUM holds no SHA-256: try again later.")
        found = hashlib.sha256(content).hexdigest()
        if found != expected[0].lower():
            if kept.exists():
                # published anew since it was downloaded
                kept.unlink()
                return self.download(dump)
            raise FetchError(
                f"{self.url(dump.path)} has the SHA-256 {found[:12]}…, its .CHECKSUM says"
                f" {expected[0][:12]}…: it is damaged, try again later."
            )
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            arriving = kept.with_suffix(".arriving")
            arriving.write_bytes(content)
            os.replace(arriving, kept)
        return found

    def get(self, path: str) -> bytes | None:
        """Return what a URL holds, or None if there is nothing (404)."""
        try:
            return self._get(path)
        except (requests.RequestException, TemporaryError) as error:
            raise FetchError(
                f"{self.url(path)} could not be downloaded in {ATTEMPTS} attempts"
                f" ({one_line(str(error))}): run the same command again, what was downloaded is"
                " kept."
            ) from error

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type((
            TemporaryError,
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )),
        wait=lambda state: max(
            BACK_OFF(state), getattr(state.outcome.exception(), "retry_after", 0)
        ),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    def _get(self, path: str) -> bytes | None:
        response = self.session.get(self.url(path), timeout=self.timeout_s)
        if response.status_code == 404:
            return None
        if response.status_code == 429 or response.status_code >= 500:
            raise TemporaryError(response)
        response.raise_for_status()
        return response.content

    def url(self, path: str) -> str:
        """Return a dump's address."""
        return f"{self.base_url}/{path}"


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags, checked."""
    parser = OneLineParser(
        prog="scripts.fetch", description=__doc__.split("\n")[0],
        epilog="A second call fetches what is missing and extends the files.",
    )
    parser.add_argument(
        "--symbol", nargs="+", required=True, metavar="S", help="pairs, such as BTCUSDT ETHUSDT"
    )
    parser.add_argument("--start", required=True, metavar="YYYY-MM", help="first month")
    parser.add_argument("--end", required=True, metavar="YYYY-MM", help="last month, included")
    parser.add_argument(
        "--interval", default="5m", choices=market_files.INTERVALS_MS,
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
        "--timeout", type=float, default=30, metavar="S",
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
    if arguments.jobs < 1 or not arguments.timeout > 0:
        raise InputError("--jobs and --timeout: give numbers above 0.")
    arguments.start = month_of("--start", arguments.start)
    arguments.end = month_of("--end", arguments.end)
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


def dumps_in(path: Path) -> dict[str, str]:
    """Return the dumps that a parquet file is made of: their SHA-256 by name.

    Raises InputError for a file of that name which is not of our making.
    """
    if not path.exists():
        return {}
    try:
        with duckdb.connect() as connection:
            listed = market_files.read_metadata(connection, path)["dumps"]
    except (duckdb.Error, KeyError) as error:
        raise InputError(
            f"{path} was not written by scripts.fetch: move it away, or choose another --out."
        ) from error
    return dict(line.split(" ") for line in listed.splitlines())


def fetch(arguments: argparse.Namespace) -> tuple[list[Path], list[str]]:
    """Do what the command line asks for; return the parquet files, and what went wrong."""
    all_series = [
        Series(leg, symbol, arguments.interval)
        for symbol in arguments.symbol for leg in FOLDERS
    ]
    archive = Archive(arguments.base_url, arguments.out / DOWNLOADS, arguments.timeout)
    held = {series: dumps_in(arguments.out / series.file_name) for series in all_series}
    monthly = {
        series: [series.monthly(month) for month in months(arguments.start, arguments.end)]
        for series in all_series
    }
    with tqdm(desc="download", unit="dump", leave=False, disable=None) as progress:
        found, failures = download(archive, monthly, held, arguments.jobs, progress)
        daily = {
            series: days_to_fill(series, monthly[series], held[series].keys(), found[series])
            for series in all_series if series not in failures
        }
        asked_days = {
            series: [day for asked in by_month.values() for day in asked]
            for series, by_month in daily.items()
        }
        found_days, failed_days = download(archive, asked_days, held, arguments.jobs, progress)

    paths, errors = [], [message for part in (failures, failed_days) for message in part.values()]
    for series in all_series:
        path = arguments.out / series.file_name
        fresh = found[series] | found_days.get(series, {})
        try:
            if series in failures or series in failed_days:
                raise FetchError("")
            if fresh:
                extend(path, series, held[series], fresh, archive)
        except FetchError as error:
            state = "is left as it was" if path.exists() else "is not written"
            errors += [message for message in (str(error), f"{path} {state}.") if message]
            continue
        if path.exists():
            paths.append(path)
            print(describe(path, series), file=sys.stderr)
        published = {dump.name for dump in fresh} | held[series].keys()
        for period in absences(monthly[series], daily[series], published):
            print(f"{series.name}: {period} is not published", file=sys.stderr)
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
    wanted: dict[Series, list[Dump]],
    held: dict[Series, dict[str, str]],
    jobs: int,
    progress: tqdm,
) -> tuple[dict[Series, dict[Dump, str]], dict[Series, str]]:
    """Download what no parquet file holds yet, several dumps at a time.

    Returns the published dumps of each series with their SHA-256, and the first failure of each
    series that has one.
    """
    found = {series: {} for series in wanted}
    failures = {}
    with ThreadPoolExecutor(jobs) as pool:
        running = {
            pool.submit(archive.download, dump): (series, dump)
            for series, dumps in wanted.items()
            for dump in dumps if dump.name not in held[series]
        }
        progress.total = (progress.total or 0) + len(running)
        try:
            for done in as_completed(running):
                series, dump = running[done]
                try:
                    if sha256 := done.result():
                        found[series][dump] = sha256
                except FetchError as error:
                    failures.setdefault(series, str(error))
                progress.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found, failures


def days_to_fill(
    series: Series, monthly: list[Dump], held: Container[str], found: Container[Dump]
) -> dict[Dump, list[Dump]]:
    """Return the daily dumps to ask for, by the month of bars that has no monthly dump.

    Before the first month that a series has, the pair was not listed: no day is asked for.
    """
    if series.leg == "funding":
        return {}
    published = [dump.start for dump in monthly if dump.name in held or dump in found]
    listed_from = min(published, default=date.min)
    return {
        dump: [series.daily(day) for day in days(dump.start, min(dump.end, utc_today()))]
        for dump in monthly
        if dump.start not in published and dump.start > listed_from
    }


def extend(
    path: Path, series: Series, held: dict[str, str], fresh: dict[Dump, str], archive: Archive
) -> None:
    """Write a parquet file with its rows of before and those of further dumps.

    Raises FetchError where a dump is not laid out as such dumps are.
    """
    listed = held | {dump.name: sha256 for dump, sha256 in fresh.items()}
    replaced = ["false"]
    for dump in fresh:
        inner_days = {series.daily(day).name for day in days(dump.start, dump.end)} - {dump.name}
        if inner_days & held.keys():
            # a month takes the place of its days
            listed = {name: sha256 for name, sha256 in listed.items() if name not in inner_days}
            replaced.append(f"timestamp >= '{dump.start}' and timestamp < '{dump.end}'")
    with duckdb.connect() as connection, tempfile.TemporaryDirectory(dir=archive.folder) as folder:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"create table fetched ({TABLES[series.kind]})")
        for dump in sorted(fresh, key=lambda dump: dump.start):
            try:
                csv = market_files.unzipped(archive.folder / dump.path, Path(folder))
                load(connection, series, dump, csv)
            except InputError as error:
                raise FetchError(f"{archive.url(dump.path)}: {error}") from error
        rows = "from fetched"
        if held:
            old = sql_text(market_files.glob_escape(path))
            rows += f" union all from read_parquet({old}) where not ({' or '.join(replaced)})"
        market_files.write_parquet(
            connection, f"from ({rows}) order by timestamp", path,
            {"dumps": "\n".join(f"{name} {listed[name]}" for name in sorted(listed))},
        )


def load(
    connection: duckdb.DuckDBPyConnection, series: Series, dump: Dump, csv: Path
) -> None:
    """Add the rows of a dump's CSV to the table `fetched`, one per time.

    Raises InputError where the columns are not what they should be.
    """
    sources = SOURCES[series.kind]
    header = market_files.csv_header(csv)
    names = header or market_files.HEADERLESS[series.kind]
    if absent := sorted(set(sources.values()) - set(names)):
        raise InputError(
            f"its layout has changed: no {', '.join(absent)} among {', '.join(names)}."
        )
    epoch = f"try_cast({sources['timestamp']} as hugeint)"
    time = input_macros(default_vars()).utc_from_epoch(epoch)
    numbers = [name for name in sources if name != "timestamp"]
    typed = ", ".join(f"try_cast({sources[name]} as double) as {name}" for name in numbers)
    try:
        connection.execute(
            "create or replace temp table dump_rows as"
            f" select ({time}) at time zone 'UTC' as timestamp, {typed}, source_row"
            f" from {market_files.csv_rows(csv, names, is_headed=header is not None)}"
        )
    except duckdb.Error as error:
        raise InputError(f"its layout has changed ({one_line(str(error))}).") from error
    rows, unread, in_order, outside, times, contents = connection.execute(f"""
        select
            count(*),
            count(*) filter (timestamp is null or {' is null or '.join(numbers)} is null),
            count(*) filter ({IN_ORDER[series.kind]}),
            -- a print may be stamped some milliseconds before its month
            count(*) filter (
                timestamp + interval 500 milliseconds < '{dump.start}'
                or timestamp + interval 500 milliseconds >= '{dump.end}'
            ),
            count(distinct timestamp),
            count(distinct row(timestamp, {', '.join(numbers)}))
        from dump_rows
    """).fetchone()
    if not rows:
        raise InputError("it holds no row: try again later.")
    if unread or 2 * in_order <= rows:
        raise InputError(
            f"its layout has changed: {unread or rows - in_order} of {rows} rows do not fit the"
            f" columns {', '.join(names)}."
        )
    if outside:
        raise InputError(f"{outside} of its {rows} rows are not of {dump.period}.")
    if contents > times:
        print(
            f"{dump.name}: {contents - times} rows with the time of another row but other"
            " values: the last was kept", file=sys.stderr,
        )
    connection.execute(f"""
        insert into fetched by name
        select
            {f"{sql_text(series.symbol)} as symbol," if series.kind == "prints" else ""}
            * exclude (source_row)
        from dump_rows
        qualify row_number() over (partition by timestamp order by source_row desc) = 1
    """)


def describe(path: Path, series: Series) -> str:
    """Return what a parquet file holds, as a person reads it."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows, first, last = connection.execute(
            "select count(*), strftime(min(timestamp), '%Y-%m-%d %H:%M'),"
            " strftime(max(timestamp), '%Y-%m-%d %H:%M') from read_parquet(?)",
            [market_files.glob_escape(path)],
        ).fetchone()
    what = "prints" if series.kind == "prints" else f"bars of {series.interval}"
    return f"{series.name}: {rows} {what}, {first} to {last}"


def absences(
    wanted: list[Dump], days_asked: dict[Dump, list[Dump]], published: set[str]
) -> list[str]:
    """Return the periods that are not published, as a person reads them."""
    absent = []
    for month in wanted:
        asked = days_asked.get(month, [])
        if month.name in published:
            continue
        if any(day.name in published for day in asked):
            absent += [day for day in asked if day.name not in published]
        else:
            absent.append(month)
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


@contextmanager
def folder_of_our_own(out: Path) -> Iterator[None]:
    """Make a folder, and let no other fetch write to it meanwhile.

    Raises InputError where it cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / DOWNLOADS).mkdir(exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise InputError(
            f"--out: {out} cannot be written to ({error.strerror}): choose another folder."
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"--out: another fetch is writing to {out}: wait for it.") from error
    else:
        yield
    finally:
        os.close(folder)
        with suppress(OSError):
            (out / DOWNLOADS).rmdir()


def main() -> int:
    """Fetch, and turn what went wrong into an exit code and a message."""
    try:
        arguments = parse_arguments(sys.argv[1:])
        with folder_of_our_own(arguments.out):
            paths, errors = fetch(arguments)
    except InputError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    except (OSError, duckdb.IOException) as error:
        print(f"error: could not write ({one_line(str(error))})", file=sys.stderr)
        return 2
    for path in paths:
        print(path)
    for message in errors:
        print(f"error: {message}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
