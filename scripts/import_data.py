"""Import bars or funding prints that other tools have downloaded, as parquet that a run takes.

usage: python -m scripts.import_data FILE… --kind spot|perp|funding --symbol S [--out data/raw]

Reads feather, parquet and JSON of freqtrade (a funding rate in `open`), dumps of CCXT's
fetch_ohlcv and fetch_funding_rate_history, REST answers and dumps of Binance, and any table
with the column names that a run knows; what is not understood is refused with what was found.

Writes imported_{spot,perp}_<SYMBOL>_<interval>.parquet or imported_funding_<SYMBOL>.parquet, and
prints the path to stdout. A file that is there is extended: rows imported now win. The files
of one call are one import: with a bad one among them, nothing is written.

Exit 0: done. Exit 2: bad usage or a bad file, named.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb

from scripts import market_files
from scripts.command_line import OneLineParser, one_line
from scripts.database import connect, one_row
from scripts.inputs import input_macros
from scripts.market_files import glob_escape, shortened, sql_name
from scripts.project import ROOT, InputError, folder_name, sql_text
from scripts.sample_data import remove_sample

PRICES = ("open", "high", "low", "close")
VALUES = {"bars": (*PRICES, "volume"), "prints": ("funding_rate",)}
# whose table it is, by columns that only theirs have; the first that fits
ORIGINS = {
    "Binance klines": {"open_time", "close", "close_time"},
    "OKX funding": {"instid", "fundingtime", "fundingrate"},
    "Binance funding": {"fundingtime", "fundingrate"},
    "Binance funding dump": {"calc_time", "last_funding_rate"},
    "CCXT funding": {"timestamp", "datetime", "fundingrate"},
    "freqtrade": {"date", *VALUES["bars"]},
    "OHLCV": {"timestamp", *VALUES["bars"]},
}
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

    def column(self, candidates: str) -> str | None:
        """Return the name of the column that staging would take, if there is one."""
        column: dict[str, str] | None = json.loads(staging().input_column(self.layout, candidates))
        return column["name"] if column else None

    def first(self, query: str) -> tuple[Any, ...] | None:
        """Return the first row of a query, if there is one."""
        return next(iter(self.connection.execute(query).fetchall()), None)


@dataclass(frozen=True)
class Imported:
    """A file that was read: which columns of values it has, and what to say of it."""

    path: Path
    columns: tuple[str, ...]
    interval: str | None
    said: str


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
        "--out", type=Path, default=ROOT / "data" / "raw", metavar="DIR", help="default: data/raw"
    )
    arguments = parser.parse_args(argv)
    arguments.out = arguments.out.expanduser().absolute()
    arguments.rows = "prints" if arguments.kind == "funding" else "bars"
    symbol = normalised(arguments.symbol)
    if not symbol or "," in arguments.symbol:
        raise InputError(f"--symbol: {arguments.symbol} is no pair: write it as BTCUSDT.")
    arguments.symbol = symbol
    return arguments


def normalised(symbol: str) -> str:
    """Return a symbol without what exchanges and clients write differently.

    BTC/USDT:USDT of CCXT, BTC-USDT-SWAP of OKX and BTCUSDT of Binance are one pair.
    """
    letters = re.sub(r"[\W_]", "", symbol.split(":")[0]).upper()
    return re.sub(r"(?<=.)(SWAP|PERP)$", "", letters)


def import_files(arguments: argparse.Namespace) -> Path:
    """Do what the command line asks for; return the path of the parquet file."""
    with connect() as connection:
        # with one thread, rows are numbered as they stand
        connection.execute("set threads = 1; set timezone = 'UTC'")
        values = ", ".join(f"{name} double" for name in VALUES[arguments.rows])
        connection.execute(
            f"create table imported (timestamp timestamptz, {values}, file int, source_row bigint)"
        )
        files = [
            read(connection, path, place, arguments) for place, path in enumerate(arguments.file)
        ]
        stem = f"imported_{arguments.kind}_{folder_name(arguments.symbol)}"
        if arguments.rows == "bars":
            stem += f"_{interval_of(connection, files, arguments.out, stem)}"
        path: Path = arguments.out / f"{stem}.parquet"
        outcome = merge(connection, files, path, arguments.symbol)
    outcome += [
        f"{sample} removed: invented data would mix with real ones"
        for sample in remove_sample(arguments.out)
    ]
    print(*(file.said for file in files), *outcome, sep="\n", file=sys.stderr)
    return path


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
    times = macros.bar_time_columns() if is_bars else macros.print_time_columns()
    columns = bar_columns(table) if is_bars else rate_column(table)
    time = macros.time_expression(table.layout, times)
    check_cells(table, time, {"timestamp": required(table.column(times))} | columns)
    if is_bars:
        check_bars(table)
    else:
        check_rates(table)
    exact = "timestamp at time zone 'UTC'"
    if not is_bars:
        # exchanges stamp a print some milliseconds late, and clients keep that or not
        exact = f"date_trunc('second', {macros.add_ms(exact, 500)})"
    values = [f"if({macros.is_finite(name)}, {name}, null) as {name}" for name in columns]
    connection.execute(
        f"insert into imported by name select {exact} as timestamp, {', '.join(values)},"
        f" {place} as file, source_row from cells"
    )
    rows, first, last = one_row(
        connection.execute(
            "select count(*), strftime(min(timestamp), '%Y-%m-%d %H:%M'),"
            f" strftime(max(timestamp), '%Y-%m-%d %H:%M') from imported where file = {place}"
        )
    )
    interval = commonest_spacing(connection, f"file = {place}") if is_bars else None
    what = f"bars of {interval}" if interval else arguments.rows
    said = f"{path}: {origin(table, columns)}{form}, {rows} {what}, {first} to {last}{left_out}"
    return Imported(path, tuple(columns), interval, said)


def keep_symbol(table: Table, symbol: str) -> str:
    """Drop the rows of other symbols from the table `source`; return how many there were.

    Raises InputError where none is left. A row that names no symbol is of the one asked for.
    """
    column = table.column("symbol")
    if not column:
        return ""
    name = f"trim({sql_name(column)}::varchar)"
    found = table.connection.execute(
        f"select {name}, count(*) from source where {name} <> '' group by all order by all"
    ).fetchall()
    others = {name: rows for name, rows in found if normalised(name) != symbol}
    if not others:
        return ""
    table.connection.execute(
        f"delete from source where {name} in (select unnest(?))", [list(others)]
    )
    names = shortened(", ".join(others))
    if not table.first("from source limit 1"):
        is_multiple = any(re.fullmatch(rf"10+{symbol}", normalised(name)) for name in others)
        raise InputError(
            f"has rows of {names}, not of {symbol}: check --symbol and the file"
            f"{'; prices of a 1000x contract must be divided by 1000' if is_multiple else ''}."
        )
    return f", {sum(others.values())} rows of {names} left out"


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
    rates = staging().rate_columns()
    rate = table.column(rates)
    if not rate and all(table.column(name) for name in VALUES["bars"]):
        rate = table.column("open")
    if not rate:
        staging().number_expression(table.layout, rates, is_required=True)
    return {"funding_rate": required(rate)}


def required(column: str | None) -> str:
    """Return the name of a column without which a macro has refused the table."""
    if column is None:
        raise LookupError("a table without a column that it needs was not refused")
    return column


def check_cells(table: Table, time: str, columns: dict[str, str]) -> None:
    """Read the cells of the table `source` into the table `cells`.

    Raises InputError for the first that is no time or no number, and for a table without rows.
    """
    found = ", ".join(f"{sql_name(column)}::varchar as {name}_" for name, column in columns.items())
    numbers = [f"try_cast({name}_ as double) as {name}" for name in columns if name != "timestamp"]
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


def check_bars(table: Table) -> None:
    """Refuse prints that are given as bars."""
    (is_zero,) = one_row(table.connection.execute("select bool_and(close = 0) from cells"))
    if is_motionless(table) or is_zero:
        raise InputError(
            "has bars in which nothing moves, which is how freqtrade stores prints: give it as"
            " --kind funding."
        )


def check_rates(table: Table) -> None:
    """Refuse bars that are given as prints, and rates that are no fractions."""
    if not table.column(staging().rate_columns()) and not is_motionless(table):
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


def origin(table: Table, columns: dict[str, str]) -> str:
    """Return whose layout a table has, with a space after it, or nothing."""
    if columns.get("funding_rate", "").lower() == "open":
        return "freqtrade funding "
    names = {column["name"].lower() for column in table.layout["columns"]}
    return next((f"{name} " for name, needed in ORIGINS.items() if needed <= names), "")


def commonest_spacing(connection: duckdb.DuckDBPyConnection, condition: str) -> str | None:
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
    if not found:
        return None
    ((spacing,),) = found
    names = {size: name for name, size in market_files.INTERVALS_MS.items()}
    in_other_units = f"{spacing / 1_000:g}s" if spacing % 60_000 else f"{spacing // 60_000}m"
    return names.get(spacing, in_other_units)


def interval_of(
    connection: duckdb.DuckDBPyConnection, files: list[Imported], out: Path, stem: str
) -> str:
    """Return the interval of all files together.

    Raises InputError where they differ, or where a single bar leaves it unknown.
    """
    sized = [file for file in files if file.interval]
    for file in sized:
        if file.interval != sized[0].interval:
            raise InputError(
                f"{file.path}: has bars of {file.interval}, and {sized[0].path} of"
                f" {sized[0].interval}: import one size at a time."
            )
    interval = sized[0].interval if sized else commonest_spacing(connection, "true")
    written = [path.stem.removeprefix(f"{stem}_") for path in out.glob(f"{stem}_*.parquet")]
    if not interval and len(written) != 1:
        raise InputError(f"{files[0].path}: has a single bar: give a longer history.")
    return interval or written[0]


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
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Import, and turn what went wrong into an exit code and a message."""
    try:
        path = import_files(parse_arguments(sys.argv[1:]))
    except InputError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except (OSError, duckdb.IOException) as error:
        reason = one_line(str(error))
        print(f"error: --out: cannot be written to ({reason}): choose another.", file=sys.stderr)
        return 2
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
