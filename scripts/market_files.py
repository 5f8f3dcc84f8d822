"""Read the tables that exchanges and their clients hand out; write the parquet of data/raw.

Sources: the dumps' layout is that of https://data.binance.vision, whose files have a header
or none, and times in ms or µs, as they were made at different times.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from scripts.project import InputError, sql_text

# what the exchange's files and REST answers hold, in this order, where no header says so
KLINE_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)
OHLCV_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
PRINT_COLUMNS = ("calc_time", "funding_interval_hours", "last_funding_rate")
HEADERLESS = {"bars": KLINE_COLUMNS, "prints": PRINT_COLUMNS}
INTERVALS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000,
    "1h": 3_600_000, "2h": 7_200_000, "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000,
    "12h": 43_200_000, "1d": 86_400_000,
}


def unzipped(path: Path, folder: Path) -> Path:
    """Return the one CSV file of a zip, unpacked into a folder.

    Raises InputError where the zip is damaged or holds something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1 or not names[0].endswith(".csv"):
                raise InputError(
                    f"{path} holds {', '.join(names) or 'nothing'}, not one CSV file: check where"
                    " it comes from."
                )
            target = folder / f"{path.stem}.csv"
            with archive.open(names[0]) as packed, target.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): download it again.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be unpacked ({error.strerror}): make room, or check its rights."
        ) from error
    return target


def csv_header(path: Path, delimiter: str = ",") -> list[str] | None:
    """Return the names in a CSV file's first line, or None if it already holds values.

    Raises InputError for an empty file and for one that is no text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = next(csv.reader(file, delimiter=delimiter), None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file ({error}): check where it is from.") from error
    if not first:
        raise InputError(f"{path} is empty: download or write it again.")
    values = sum(bool(re.fullmatch(r"[-+.\d:TZeE ]*\d[-+.\d:TZeE ]*", cell)) for cell in first)
    return None if values > len(first) / 2 else [cell.strip() for cell in first]


def csv_rows(path: Path, names: Sequence[str], is_headed: bool, delimiter: str = ",") -> str:
    """Return the SQL that reads a CSV file's columns as texts, and each row's number."""
    columns = ", ".join(f"{sql_text(name)}: 'varchar'" for name in names)
    return (
        "(select *, row_number() over () as source_row"
        f" from read_csv({sql_text(glob_escape(path))}, auto_detect = false,"
        f" header = {str(is_headed).lower()}, columns = {{{columns}}},"
        f" delim = {sql_text(delimiter)}, quote = '\"', escape = '\"', nullstr = '',"
        " strict_mode = true, parallel = false))"
    )


def write_parquet(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    path: Path,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a query's rows to a zstd parquet file, complete or not at all.

    Equal rows in equal order, with equal metadata, give equal bytes.
    """
    temporary = path.with_name(f".{path.name}.writing")
    pairs = ", ".join(f"{key}: {sql_text(value)}" for key, value in (metadata or {}).items())
    options = "format parquet, compression zstd" + (f", kv_metadata {{{pairs}}}" if pairs else "")
    threads = connection.execute("select current_setting('threads')").fetchone()[0]
    # with several threads the row groups may be cut at other rows from time to time
    connection.execute("set threads = 1")
    try:
        connection.execute(f"copy ({query}) to {sql_text(str(temporary))} ({options})")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        connection.execute(f"set threads = {threads}")


def read_metadata(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Return the texts that write_parquet stored in a file, by their keys."""
    pairs = connection.execute(
        "select decode(key), decode(value) from parquet_kv_metadata(?)", [glob_escape(path)]
    ).fetchall()
    return dict(pairs)


def glob_escape(path: Path) -> str:
    """Return a path as a pattern that DuckDB takes literally."""
    return re.sub(r"[][*?]", r"[\g<0>]", str(path))
