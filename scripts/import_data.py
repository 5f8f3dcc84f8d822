"""Import bars or funding prints that other tools have downloaded, as parquet that a run takes.

usage: python -m scripts.import_data FILE… --kind spot|perp|funding --symbol S [--out data/raw]

Reads feather, parquet and JSON of freqtrade (a funding rate in `open`), dumps of CCXT's
fetch_ohlcv and fetch_funding_rate_history, REST answers and dumps of Binance, bars of BitMEX
(named by their close, and moved to their open), and any table with the column names that a
run knows; what is not understood is refused with what was found.

Writes imported_{spot,perp}_<SYMBOL>_<interval>.parquet or imported_funding_<SYMBOL>.parquet, and
prints the path to stdout. A file that is there is extended: rows imported now win. The files
of one call are one import: with a bad one among them, nothing is written. Imports into one
folder wait for each other.

Exit 0: done. Exit 2: bad usage or a bad file, named. Exit 130: stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb

from scripts import market_files
from scripts.command_line import (
    OneLineParser,
    folder_path,
    is_interrupt,
    is_out_of_memory,
    one_line,
    run_command,
    say,
    writable_folder,
)
from scripts.database import connect, one_row
from scripts.files import locked
from scripts.inputs import input_macros
from scripts.market_files import glob_escape, shortened, sql_name, sql_number
from scripts.project import ROOT, InputError, check_name, folder_name, sql_text
from scripts.sample_data import remove_sample

PRICES = ("open", "high", "low", "close")
VALUES = {"bars": (*PRICES, "volume"), "prints": ("funding_rate",)}
# whose table it is, by columns that only theirs have; the first that fits
ORIGINS = {
    "BitMEX": {"timestamp", "close", "homenotional", "foreignnotional"},
    "Binance klines": {"open_time", "close", "close_time"},
    "OKX funding": {"instid", "fundingtime", "fundingrate"},
    "Binance funding": {"fundingtime", "fundingrate"},
    "Binance funding dump": {"calc_time", "last_funding_rate"},
    "Kraken Futures funding": {"timestamp", "relativefundingrate"},
    "Hyperliquid funding": {"coin", "fundingrate", "premium"},
    "CCXT funding": {"timestamp", "datetime", "fundingrate"},
    "freqtrade": {"date", *VALUES["bars"]},
    "OHLCV": {"timestamp", *VALUES["bars"]},
}
# whose bars have the time of their close as timestamp
NAMED_BY_CLOSE = {"BitMEX"}
CLOSE_TIMES = "close_time,closeTime,end_time,endTime"
# OKX and Hyperliquid have no symbol; a coin is the first part of a pair
SYMBOLS = "symbol,instId,coin"
# of an hour, of which all exchanges pay at a multiple; the rest is delay
HOUR_MS = 3_600_000
LATEST_PRINT_MS = 60_000
DAY_MS = 86_400_000
# the median |rate| of real coins is 0.00084 at most, though single ones reach some per cent
LEAST_ODD_RATE = 0.005
# 13 years of daily dumps
MAX_FILES = 5_000
ELSEWHERE = "move it away, or choose another --out."


@cache
def staging() -> ModuleType:
    """Return the macros that the models read their inputs with."""
    return input_macros({})


@dataclass(frozen=True)
class Table:
    """The rows of a file as they stand: the table `source`, and its layout as staging has it."""

    connection: duckdb.DuckDBPyConnection
    layout: dict[str, Any]

    def columns(self, candidates: str) -> list[str]:
        """Return the names of the columns that candidates, separated by commas, stand for."""
        names = {column["name"].lower(): column["name"] for column in self.layout["columns"]}
        wanted = [candidate.strip().lower() for candidate in candidates.split(",")]
        return [names[candidate] for candidate in wanted if candidate in names]

    def column(self, candidates: str) -> str | None:
        """Return the name of the first of these columns, if there is one."""
        return next(iter(self.columns(candidates)), None)

    def first(self, query: str) -> tuple[Any, ...] | None:
        """Return the first row of a query, if there is one."""
        return next(iter(self.connection.execute(query).fetchall()), None)


@dataclass(frozen=True)
class Imported:
    """A file that was read: its place in the call, what it holds, and what to say of it."""

    path: Path
    place: int
    columns: tuple[str, ...]
    spacing_ms: int | None
    is_named_by_close: bool
    form: str
    left_out: str


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    """Return the flags, checked."""
    parser = OneLineParser(
        prog="scripts.import_data",
        description=__doc__.split("\n")[0],
        epilog="A second import of a pair extends the file of the first.",
    )
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE", help="what to import")
    parser.add_argument("--kind", required=True, choices=("spot", "perp", "funding"))
    parser.add_argument("--symbol", required=True, metavar="S", help="the pair, such as BTCUSDT")
    parser.add_argument(
        "--out",
        type=folder_path,
        default=ROOT / "data" / "raw",
        metavar="DIR",
        help="default: data/raw",
    )
    arguments = parser.parse_args(argv)
    arguments.rows = "prints" if arguments.kind == "funding" else "bars"
    if len(arguments.file) > MAX_FILES:
        raise InputError(
            f"{len(arguments.file):,} files were given, and at most {MAX_FILES:,} are imported at"
            " once: import them in several calls, a later one extends the earlier."
        )
    symbol = normalised(checked_symbol("--symbol", arguments.symbol))
    if not symbol:
        raise InputError(f"--symbol: {arguments.symbol} is no pair: write it as BTCUSDT.")
    arguments.symbol = symbol
    return arguments


def checked_symbol(what: str, text: str) -> str:
    """Return a symbol in its plain form: a full-width letter and its narrow one are one.

    Raises InputError for anything but a name; what says whose symbol it is.
    """
    symbol = unicodedata.normalize("NFKC", text.strip())
    # a longer one is refused, and need not be shown
    check_name(what, symbol[:300])
    return symbol


def normalised(symbol: str) -> str:
    """Return a symbol without what exchanges and clients write differently.

    BTC/USDT:USDT of CCXT, BTC-USDT-SWAP of OKX and BTCUSDT of Binance are one pair. Only
    ASCII letters change their case: in other scripts two names could become one.
    """
    letters = re.sub(r"[-_/.]", "", symbol.split(":")[0])
    letters = re.sub(r"[a-z]+", lambda found: found[0].upper(), letters)
    return re.sub(r"(?<=.)(SWAP|PERP)$", "", letters)


def import_files(arguments: argparse.Namespace) -> Path:
    """Do what the command line asks for; return the path of the parquet file."""
    out: Path = arguments.out
    with connect() as connection:
        # with one thread, rows are numbered as they stand; what does not fit into memory goes
        # where the temporary files are
        connection.execute("set threads = 1; set timezone = 'UTC'")
        connection.execute(f"set temp_directory = {sql_text(tempfile.gettempdir())}")
        values = ", ".join(f"{name} double" for name in VALUES[arguments.rows])
        connection.execute(
            f"create table imported (timestamp timestamptz, {values}, file int, source_row bigint)"
        )
        files = [
            read(connection, path, place, arguments) for place, path in enumerate(arguments.file)
        ]
        check_same_prices({file.path: file.columns for file in files})
        stem = f"imported_{arguments.kind}_{folder_name(arguments.symbol)}"
        if arguments.rows == "bars":
            interval_ms = interval_of(connection, files, out, stem)
            use_open_times(connection, files, interval_ms)
            check_grid(connection, files, interval_ms)
            stem += f"_{interval_name(interval_ms)}"
        else:
            check_are_settled(connection, files)
        said = [description(connection, file, arguments.rows) for file in files]
        path = out / f"{stem}.parquet"
        with folder_of_our_own(out):
            said += merge(connection, files, path, arguments.symbol)
            said += [
                f"{sample} removed: invented data would mix with real ones"
                for sample in remove_sample(out)
            ]
    for line in said:
        say(one_line(line))
    return path


@contextlib.contextmanager
def folder_of_our_own(out: Path) -> Iterator[None]:
    """Make a folder, and wait until no other import or fetch writes to it.

    Raises InputError where it cannot be written to.
    """
    with writable_folder(out), contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(out))
        except BlockingIOError:
            say(one_line(f"{out}: another import or fetch writes to it: waiting for it to end"))
            stack.enter_context(locked(out, wait=True))
        yield


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, place: int, arguments: argparse.Namespace
) -> Imported:
    """Add a file's rows to the table `imported`.

    Raises InputError with the file, the fault and the remedy.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            if path.is_dir():
                raise InputError("is a folder: give the files in it.")
            if not path.is_file():
                raise InputError("is no file: check the path.")
            plain, packing = market_files.unpacked(path, Path(folder))
            form = packing + market_files.load_source(connection, plain)
            return take(connection, path, form, place, arguments)
        except InputError as error:
            fault = str(error)
        except OSError as error:
            fault = f"cannot be read ({error.strerror}): check its rights."
        except duckdb.Error as error:
            if is_out_of_memory(error) or is_interrupt(error):
                raise
            # what follows in a message is advice on DuckDB's own options
            reason = one_line(re.split(r"\n *\n|\nPossible|\nLINE", str(error))[0])
            fault = f"cannot be read ({shortened(reason)}): write it again."
    # where it was read from, it had another name
    fault = fault.replace(f"{folder}/source", str(path))
    raise InputError(f"{path}: {fault.removeprefix(str(path)).lstrip(': ')}")


def take(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    form: str,
    place: int,
    arguments: argparse.Namespace,
) -> Imported:
    """Check the table `source`, and add its rows of the symbol to the table `imported`."""
    is_bars = arguments.rows == "bars"
    macros = staging()
    described = connection.execute("describe source").fetchall()
    table = Table(
        connection,
        {
            "files": [str(path)],
            "columns": [
                {"name": name, "type": kind} for name, kind, *_ in described if name != "source_row"
            ],
        },
    )
    left_out = keep_symbol(table, arguments.symbol)
    owner = origin(table)
    candidates = macros.bar_time_columns() if is_bars else macros.print_time_columns()
    closes = table.columns(CLOSE_TIMES) if is_bars else []
    columns = bar_columns(table) if is_bars else rate_column(table)
    times = table.columns(candidates) or closes
    if not times:
        # refuses the table
        macros.time_expression(table.layout, candidates)
    expressions = {name: macros.time_expression(table.layout, name) for name in (*times, *closes)}
    check_cells(table, expressions[times[0]], {"timestamp": times[0]} | columns)
    check_times_agree(table, {name: expressions[name] for name in times})
    is_named_by_close = owner in NAMED_BY_CLOSE or (
        bool(closes)
        and not first_that_differs(table, expressions[times[0]], expressions[closes[0]])
    )
    if is_bars:
        check_bars(table, list(columns))
    else:
        check_rates(table, columns["funding_rate"])
    exact = "timestamp at time zone 'UTC'"
    if not is_bars or is_named_by_close:
        # exchanges stamp a print some milliseconds late, and clients keep that or not; a bar
        # closes a millisecond before the next one opens
        exact = f"date_trunc('second', {macros.add_ms(exact, 500)})"
    values = [f"if({macros.is_finite(name)}, {name}, null) as {name}" for name in columns]
    connection.execute(
        f"insert into imported by name select {exact} as timestamp, {', '.join(values)},"
        f" {place} as file, source_row from cells"
    )
    if columns.get("funding_rate", "").lower() == "open":
        owner = "freqtrade funding"
    return Imported(
        path,
        place,
        tuple(columns),
        commonest_spacing_ms(connection, f"file = {place}") if is_bars else None,
        is_named_by_close,
        f"{owner} {form}".strip(),
        left_out,
    )


def description(connection: duckdb.DuckDBPyConnection, file: Imported, what: str) -> str:
    """Return what a file was taken for, and what was done with it."""
    rows, first, last = one_row(
        connection.execute(
            "select count(*), strftime(min(timestamp), '%Y-%m-%d %H:%M'),"
            " strftime(max(timestamp), '%Y-%m-%d %H:%M') from imported where file = ?",
            [file.place],
        )
    )
    if file.spacing_ms:
        what = f"bars of {interval_name(file.spacing_ms)}"
    moved = ", moved from their close to their open" if file.is_named_by_close else ""
    return f"{file.path}: {file.form}, {rows} {what}{moved}, {first} to {last}{file.left_out}"


def first_that_differs(table: Table, first: str, second: str) -> int | None:
    """Return the first row in which two expressions are not one time, to the second."""
    found = table.first(f"""
        select source_row from source
        where coalesce(
            abs(epoch_ms(try({first})::timestamp) - epoch_ms(try({second})::timestamp)) >= 1000,
            true
        )
        order by source_row limit 1
    """)
    return found[0] if found else None


def check_times_agree(table: Table, expressions: dict[str, str]) -> None:
    """Refuse columns of times that differ, since one alone is the time of the row."""
    (name, expression), *others = expressions.items()
    for other, other_expression in others:
        if row := first_that_differs(table, expression, other_expression):
            raise InputError(
                f"row {row} has different times in {name} and {other}: keep the column that is the"
                " time of the row."
            )


def keep_symbol(table: Table, symbol: str) -> str:
    """Drop the rows of other symbols from the table `source`; return how many there were.

    Raises InputError where none is left. A row that names no symbol is of the one asked for.
    """
    column = table.column(SYMBOLS)
    if not column:
        return ""
    name = f"trim({sql_name(column)}::varchar)"
    found = table.connection.execute(
        f"select {name}, count(*) from source where {name} <> '' group by all order by all"
    ).fetchall()
    others = {
        text: rows
        for text, rows in found
        if not is_of(normalised(checked_symbol(f"a {column}", text)), symbol, column)
    }
    if not others:
        return ""
    own = [text for text, _ in found if text not in others]
    table.connection.execute(
        f"delete from source where {name} <> '' and {name} not in (select unnest(?::varchar[]))",
        [own],
    )
    names = shortened(", ".join(others))
    if not table.first("from source limit 1"):
        is_multiple = any(
            re.fullmatch(rf"10+{re.escape(symbol)}", normalised(text)) for text in others
        )
        raise InputError(
            f"has rows of {names}, not of {symbol}: check --symbol and the file"
            f"{'; prices of a 1000x contract must be divided by 1000' if is_multiple else ''}."
        )
    return f", {sum(others.values())} rows of {names} left out"


def is_of(name: str, symbol: str, column: str) -> bool:
    """Return whether a name in a column is that of a pair; a coin stands for it in dollars."""
    quotes = ("", "USD", "USDT", "USDC") if column.lower() == "coin" else ("",)
    return symbol in {name + quote for quote in quotes}


def bar_columns(table: Table) -> dict[str, str]:
    """Return the columns of a table of bars, by the names that they get."""
    found = {name: column for name in VALUES["bars"] if (column := table.column(name))}
    if "close" not in found:
        if rate := table.column(staging().rate_columns()):
            raise InputError(f"has no close, but {rate}: give prints as --kind funding.")
        staging().number_expression(table.layout, "close", is_required=True)
    return found


def rate_column(table: Table) -> dict[str, str]:
    """Return the column of a table of prints, by the name that it gets.

    freqtrade stores prints as bars, with the rate as open.
    """
    if paid := table.column(staging().paid_rate_columns()):
        return {"funding_rate": paid}
    rates = staging().rate_columns()
    found = table.columns(rates)
    if len(found) > 1:
        raise InputError(f"has several rates, {' and '.join(found)}: keep the one that was paid.")
    if found and is_amount_per_contract(table):
        raise InputError(
            "has the layout of Kraken Futures, whose fundingRate is an amount per contract: add its"
            " relativeFundingRate, or rename the column to funding_rate if it is a fraction."
        )
    if not found and all(table.column(name) for name in VALUES["bars"]):
        found = table.columns("open")
    if not found:
        staging().number_expression(table.layout, rates, is_required=True)
    return {"funding_rate": found[0]}


def is_amount_per_contract(table: Table) -> bool:
    """Return whether a table is that of Kraken Futures without its relative rate.

    It is told by the symbols, or where there are none by its two columns and ISO times.
    """
    if column := table.column("symbol"):
        query = rf"select {sql_name(column)}::varchar ~ '^(PF|PI|FF|FI)_.+' from source limit 1"
    elif {column["name"] for column in table.layout["columns"]} == {"timestamp", "fundingRate"}:
        query = r"select timestamp::varchar ~ '^[\d-]+T[\d:.]+Z$' from source limit 1"
    else:
        return False
    return table.first(query) == (True,)


def check_cells(table: Table, time: str, columns: dict[str, str]) -> None:
    """Read the cells of the table `source` into the table `cells`.

    Raises InputError for the first that is no time or no number, and for a table without rows.
    """
    found = ", ".join(f"{sql_name(column)}::varchar as {name}_" for name, column in columns.items())
    numbers = [f"{sql_number(f'{name}_')} as {name}" for name in columns if name != "timestamp"]
    table.connection.execute(f"""
        create or replace temp table cells as
        select
            {staging().plausible_time("ts")} as timestamp, {", ".join(numbers)}, * exclude (ts)
        from (select source_row, try({time}) as ts, {found} from source)
    """)
    if not table.first("from cells limit 1"):
        raise InputError("holds no row: download or write it again.")
    faults = {name: f"not {staging().is_finite(name)}" for name in columns}
    # no time that a spreadsheet has rounded, as in 1.73569E+12
    faults["timestamp"] = r"timestamp is null or regexp_matches(timestamp_, '^[\d.]+E')"
    if "volume" in faults:
        faults["volume"] = "volume is null and trim(volume_) <> ''"
    cases = " ".join(f"when {fault} then ['{name}', {name}_]" for name, fault in faults.items())
    bad = table.first(f"""
        select source_row, fault[1], coalesce(fault[2], '')
        from (select source_row, case {cases} end as fault from cells)
        where fault is not null order by source_row limit 1
    """)
    if bad:
        row, name, text = bad
        what = f"the {columns[name]} {shortened(text)!r}" if text else f"an empty {columns[name]}"
        why = (
            "no time of the years 2009 to 2099 that can be read: write ISO text or an integer"
            " since 1970"
            if name == "timestamp"
            else "no number: mend or drop it"
        )
        raise InputError(f"row {row} has {what}, {why}.")


def is_motionless(table: Table) -> bool:
    """Return whether bars are prints as freqtrade stores them.

    These have all that bars have, but nothing moves within one: high, low and close are 0,
    missing or equal to open, nothing is traded, and no rate reaches 1. Any history of prices
    has a bar that differs, also of a coin that costs less than 1.
    """
    columns = {name: column for name in VALUES["bars"] if (column := table.column(name))}
    if len(columns) < len(VALUES["bars"]):
        return False
    numbers = {
        name: f"try_cast({sql_name(column)}::varchar as double)" for name, column in columns.items()
    }
    known = ", ".join(
        f"if({staging().is_finite(number)}, {number}, 0) as {name}_"
        for name, number in numbers.items()
    )
    (is_so,) = one_row(
        table.connection.execute(
            "select bool_and(abs(open_) < 1 and volume_ = 0 and high_ in (0, open_)"
            f" and low_ in (0, open_) and close_ in (0, open_)) from (select {known} from source)"
        )
    )
    return bool(is_so)


def check_bars(table: Table, columns: list[str]) -> None:
    """Refuse bars that are no bars of trades, and the first that no trades can make."""
    (is_zero,) = one_row(table.connection.execute("select bool_and(close = 0) from cells"))
    if is_motionless(table) or is_zero:
        raise InputError(
            "has bars in which nothing moves, which is how freqtrade stores prints: give it as"
            " --kind funding."
        )
    prices = [name for name in columns if name in PRICES]
    least, most = f"least({', '.join(prices)})", f"greatest({', '.join(prices)})"
    # without a trade the last price stays
    untraded = "bool_and(coalesce(volume, 0) = 0)" if "volume" in columns else "false"
    is_untraded, is_premium = one_row(
        table.connection.execute(
            f"select {untraded} and min({least}) < max({most}),"
            f" min({least}) < 0 and max(abs({least})) < 1 and max(abs({most})) < 1 from cells"
        )
    )
    if is_untraded:
        raise InputError(
            "has prices that move in bars without volume, as mark, index and premium prices do:"
            " download the bars of trades, or drop the column volume if these are."
        )
    if is_premium:
        raise InputError(
            "has prices on both sides of 0, as a premium index has: download the bars of trades."
        )
    check_order(table)
    faults = {
        f"{price} <= 0": f"has the {price} ' || {price}_ || ', which is not above 0"
        for price in prices
    }
    if "volume" in columns:
        faults["volume < 0"] = "has the volume ' || volume_ || ', which is below 0"
    if {"high", "low"} <= set(columns):
        faults["high < low"] = "has the high ' || high_ || ' below its low ' || low_ || '"
    cases = " ".join(f"when {condition} then '{text}'" for condition, text in faults.items())
    bad = table.first(
        f"select source_row, case {cases} end as fault from cells where fault is not null"
        " order by source_row limit 1"
    )
    if bad:
        raise InputError(f"row {bad[0]} {shortened(bad[1])}: mend or drop the row.")


def check_order(table: Table) -> None:
    """Refuse bars without names whose columns come in another order than is assumed.

    Exchanges differ: open, close, high, low of one would be read as a high below the low.
    """
    names = tuple(column["name"] for column in table.layout["columns"])
    if names not in market_files.NAMES_BY_COUNT.values() or "low" not in names:
        return
    moving, crossed = one_row(
        table.connection.execute(
            "select count(*), count(*) filter (least(open, close) < low or greatest(open, close) >"
            " high) from cells where open <> close or open <> high or open <> low"
        )
    )
    if 2 * crossed > moving:
        raise InputError(
            f"has opens or closes beyond high and low in {crossed} of {moving} bars that move, so"
            f" that its columns are not {', '.join(names[:6])}: name them in a header."
        )


def check_rates(table: Table, column: str) -> None:
    """Refuse bars that are given as prints, and rates that are no fractions."""
    if column.lower() == "open" and not is_motionless(table):
        raise InputError(
            "has no rate, and its bars move as prices do: give it as --kind spot or perp."
        )
    bad = table.first(
        "select source_row, funding_rate_ from cells where abs(funding_rate) >= 1"
        " order by source_row limit 1"
    )
    if bad:
        raise InputError(
            f"row {bad[0]} has the rate {bad[1]}, and none is 100 %: give fractions, 0.0001 for"
            " 1 bp."
        )
    rows, odd = one_row(
        table.connection.execute(
            f"select count(*), count(*) filter (abs(funding_rate) >= {LEAST_ODD_RATE}) from cells"
        )
    )
    if 2 * odd >= rows:
        raise InputError(
            f"has {odd} of {rows} rates at or beyond {LEAST_ODD_RATE:.1%}, as rates in percent and"
            " amounts per contract have: give fractions, 0.0001 for 1 bp, or a longer history if"
            " these are."
        )


def check_are_settled(connection: duckdb.DuckDBPyConnection, files: list[Imported]) -> None:
    """Refuse rates of which half or more were not stamped at a full hour, as payments are."""
    for file in files:
        late = f"epoch_ms(timestamp) % {HOUR_MS} > {LATEST_PRINT_MS}"
        rows, odd, first = one_row(
            connection.execute(
                f"select count(*), count(*) filter ({late}),"
                f" strftime(min(timestamp) filter ({late}), '%Y-%m-%d %H:%M:%S')"
                " from imported where file = ?",
                [file.place],
            )
        )
        if 2 * odd >= rows:
            raise InputError(
                f"{file.path}: has {odd} of {rows} prints that are not at a full hour, such as"
                f" {first}, though exchanges pay at full hours: give the rates that were paid, not"
                " forecasts, with times in UTC."
            )


def origin(table: Table) -> str:
    """Return whose layout a table has, or nothing."""
    names = {column["name"].lower() for column in table.layout["columns"]}
    return next((name for name, needed in ORIGINS.items() if needed <= names), "")


def commonest_spacing_ms(connection: duckdb.DuckDBPyConnection, condition: str) -> int | None:
    """Return the interval of imported rows, the shortest of those that are equally common."""
    found = connection.execute(f"""
        select spacing
        from (
            select epoch_ms(timestamp) - lag(epoch_ms(timestamp)) over (order by timestamp)
                as spacing
            from imported where {condition}
        )
        where spacing > 0 group by spacing order by count(*) desc, spacing limit 1
    """).fetchall()
    return found[0][0] if found else None


def interval_name(interval_ms: int) -> str:
    """Return an interval as it stands in file names."""
    names = {size: name for name, size in market_files.INTERVALS_MS.items()}
    in_other_units = (
        f"{interval_ms / 1_000:g}s" if interval_ms % 60_000 else f"{interval_ms // 60_000}m"
    )
    return names.get(interval_ms, in_other_units)


def interval_of_name(name: str) -> int | None:
    """Return the interval that stands in a file's name, if it is one."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([ms])", name):
        return round(float(found[1]) * {"m": 60_000, "s": 1_000}[found[2]])
    return market_files.INTERVALS_MS.get(name)


def interval_of(
    connection: duckdb.DuckDBPyConnection, files: list[Imported], out: Path, stem: str
) -> int:
    """Return the interval of all files together, in milliseconds.

    Raises InputError where they differ, or where a single bar leaves it unknown.
    """
    sized = [(file.path, file.spacing_ms) for file in files if file.spacing_ms]
    for path, spacing_ms in sized:
        if spacing_ms != sized[0][1]:
            raise InputError(
                f"{path}: has bars of {interval_name(spacing_ms)}, and {sized[0][0]} of"
                f" {interval_name(sized[0][1])}: import one size at a time."
            )
    interval_ms = sized[0][1] if sized else commonest_spacing_ms(connection, "true")
    written = [path.stem.removeprefix(f"{stem}_") for path in out.glob(f"{stem}_*.parquet")]
    if not interval_ms and len(written) == 1:
        interval_ms = interval_of_name(written[0])
    if not interval_ms:
        raise InputError(f"{files[0].path}: has a single bar: give a longer history.")
    return interval_ms


def use_open_times(
    connection: duckdb.DuckDBPyConnection, files: list[Imported], interval_ms: int
) -> None:
    """Give the bars that are named by their close the time of their open."""
    connection.execute(
        f"update imported set timestamp = timestamp - to_milliseconds({interval_ms})"
        " where file in (select unnest(?::int[]))",
        [[file.place for file in files if file.is_named_by_close]],
    )


def check_grid(
    connection: duckdb.DuckDBPyConnection, files: list[Imported], interval_ms: int
) -> None:
    """Refuse the first bar that is not a whole number of intervals after 00:00 UTC.

    Where a day is not a whole number of intervals, as with weeks, the first bar is where
    counting begins.
    """
    begin = "0" if DAY_MS % interval_ms == 0 else "(select min(epoch_us(timestamp)) from imported)"
    bad = connection.execute(f"""
        select file, source_row, timestamp::varchar from imported
        where (epoch_us(timestamp) - {begin}) % {interval_ms * 1_000} <> 0
        order by file, source_row limit 1
    """).fetchall()
    if bad:
        ((place, row, time),) = bad
        raise InputError(
            f"{files[place].path}: row {row} opens at {time.removesuffix('+00')}, which is not a"
            f" multiple of {interval_name(interval_ms)} after 00:00 UTC: give the open times of"
            " bars of one size, in UTC."
        )


def merge(
    connection: duckdb.DuckDBPyConnection, files: list[Imported], path: Path, symbol: str
) -> list[str]:
    """Write the imported rows, and those that the parquet file has; return what became of them."""
    held = columns_held(connection, path, symbol)
    all_columns = {file.path: file.columns for file in files} | ({path: held} if held else {})
    check_same_prices(all_columns)
    present = set().union(*all_columns.values())
    columns = [name for names in VALUES.values() for name in names if name in present]
    values = ", ".join(columns)
    connection.execute(f"""
        create table latest as select timestamp, {values} from imported
        qualify row_number() over (partition by timestamp order by file desc, source_row desc) = 1
    """)
    connection.execute("create table held as from latest limit 0")
    if held:
        connection.execute("insert into held by name select * exclude (symbol) from earlier")
    market_files.write_parquet(
        connection,
        f"""
        select timestamp, {sql_text(symbol)} as symbol, {values}
        from (from latest union all by name from held anti join latest using (timestamp))
        order by timestamp
    """,
        path,
    )
    others = " or ".join(f"old.{name} is distinct from latest.{name}" for name in columns)
    counts = connection.execute(f"""
        select
            (select count(*) from imported),
            (select count(*) from latest anti join held using (timestamp)),
            (select count(*) from latest join held as old using (timestamp) where {others}),
            (select count(*) from latest join imported as old using (timestamp) where {others})
    """)
    rows, new, replaced, conflicts = one_row(counts)
    outcome = [
        f"{path.name} {'extended' if held else 'written'}: {rows} rows read, {new} new, {replaced}"
        " replaced a row with other values"
    ]
    if conflicts:
        outcome.append(
            f"{conflicts} rows had the time of a later one with other values: the last was kept"
        )
    return outcome


def check_same_prices(columns: dict[Path, tuple[str, ...]]) -> None:
    """Refuse files of which only some have a price, since a run takes a missing one for a fault."""
    for price in PRICES:
        having = [path for path, names in columns.items() if price in names]
        lacking = [path for path, names in columns.items() if price not in names]
        if having and lacking:
            raise InputError(
                f"{lacking[0]}: has no {price}, and {having[0]} has: drop that column there, or"
                " choose another --out."
            )


def columns_held(connection: duckdb.DuckDBPyConnection, path: Path, symbol: str) -> tuple[str, ...]:
    """Return the columns of values in a parquet file of an earlier import, none without one.

    Raises InputError for a file that no import of this symbol has written.
    """
    if not path.exists():
        return ()
    if not path.is_file():
        raise InputError(f"{path}: is no file: {ELSEWHERE}")
    is_funding = path.name.startswith("imported_funding_")
    optional, needed = ((), "funding_rate") if is_funding else (VALUES["bars"], "close")
    try:
        connection.execute("create temp table earlier as from read_parquet(?)", [glob_escape(path)])
        types = {name: kind for name, kind, *_ in connection.execute("describe earlier").fetchall()}
        values = tuple(name for name in types if name in (needed, *optional))
        expected = {"timestamp": "TIMESTAMP WITH TIME ZONE", "symbol": "VARCHAR"}
        if needed not in values or types != expected | dict.fromkeys(values, "DOUBLE"):
            raise InputError(f"{path}: is no import, it has {', '.join(types)}: {ELSEWHERE}")
        symbols = connection.execute("select distinct symbol from earlier order by 1").fetchall()
    except duckdb.Error as error:
        reason = shortened(one_line(str(error)))
        raise InputError(f"{path}: cannot be read ({reason}): {ELSEWHERE}") from error
    if symbols != [(symbol,)]:
        others = ", ".join(str(name) for (name,) in symbols)
        raise InputError(f"{path}: has rows of {others}, not of {symbol}: {ELSEWHERE}")
    return values


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(
        lambda: [import_files(parse_arguments(sys.argv[1:]))],
        unwritten="--out: cannot be written to ({}): make room on the disk, or choose another.",
    )


if __name__ == "__main__":
    sys.exit(main())
