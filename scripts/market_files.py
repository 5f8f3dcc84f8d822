"""Read the tables that exchanges and their clients hand out; write the parquet of data/raw.

Sources: the dumps' layout is that of https://data.binance.vision, whose files have a header
or none, and times in ms or µs, as they were made at different times.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import feather

from scripts.database import one_row
from scripts.files import private_folder, put_in_place
from scripts.inputs import check_is_parquet
from scripts.project import InputError, sql_text

# what the exchange's files and REST answers hold, in this order, where no header says so
KLINE_COLUMNS = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
OHLCV_COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
PRINT_COLUMNS = ("calc_time", "funding_interval_hours", "last_funding_rate")
HEADERLESS = {"bars": KLINE_COLUMNS, "prints": PRINT_COLUMNS}
NAMES_BY_COUNT = {len(names): names for names in (KLINE_COLUMNS, OHLCV_COLUMNS, PRINT_COLUMNS)}
# how files start that are refused, and why
UNREADABLE = {
    b"FEA1": "is feather of version 1: write it again as version 2",
    b"\x89HDF": "is HDF5: convert it to feather, parquet or CSV",
    b"<": "is a web page, not data: download it again",
}
# what tells that an exchange's answer is no data, and why
MESSAGE_KEYS = {"msg", "retMsg", "message", "error"}
INTERVALS_MS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "8h": 28_800_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}


# ten years of 1m bars unpack to 1 GB
MAX_UNPACKED_BYTES = 4 << 30
# Klines and prints pack 3 to 5 times, years of bars without a trade 15 times.
MAX_UNPACK_RATIO = 100
# the bit of a member's flags
ENCRYPTED = 1
# A row of a kline has at most 200 bytes; reading a header takes the square of a line's length.
MAX_LINE_BYTES = 8 << 10


def unzipped(path: Path, folder: Path, most_bytes: int = MAX_UNPACKED_BYTES) -> Path:
    """Return the one CSV file of a zip, unpacked into a folder under the zip's own name.

    What is unpacked is counted, whatever the zip says of its size: at most most_bytes, and
    MAX_UNPACK_RATIO times the zip. Raises InputError where the zip is larger, is damaged, is
    encrypted, or holds something else than one file of lines of text.
    """
    target = folder / f"{path.stem}.csv"
    most = min(most_bytes, MAX_UNPACK_RATIO * path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1 or not is_plain_csv(members[0]):
                names = ", ".join(member.filename for member in members[:4]) or "nothing"
                raise InputError(
                    f"{path} holds {shortened(names)}, not one CSV file: check where it comes from."
                )
            if members[0].flag_bits & ENCRYPTED:
                raise InputError(f"{path} cannot be unpacked (it is encrypted): decrypt it first.")
            if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(
                    f"{path} cannot be unpacked (it is not packed with deflate): zip it again."
                )
            with archive.open(members[0]) as packed, target.open("wb") as plain:
                size = line_size = 0
                while chunk := packed.read(1 << 16):
                    size += len(chunk)
                    if size > most:
                        raise InputError(
                            f"{path} unpacks to more than {most:,} bytes, which no table of market"
                            " data does: check where it comes from."
                        )
                    first, *others = chunk.split(b"\n")
                    longest = max([line_size + len(first), *map(len, others)])
                    line_size = len(others[-1]) if others else longest
                    if b"\0" in chunk or longest > MAX_LINE_BYTES:
                        fault = "a NUL byte" if b"\0" in chunk else "a line of more than 8 KiB"
                        raise InputError(
                            f"{path} is not a CSV file (it holds {fault}): check where it is from."
                        )
                    plain.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} cannot be unpacked ({error}): download it again.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be unpacked ({error.strerror}): make room, or check its rights."
        ) from error
    return target


def is_plain_csv(member: zipfile.ZipInfo) -> bool:
    """Whether a zip's member is a CSV file, not a folder or a link."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    return member.filename.endswith(".csv") and kind in (0, stat.S_IFREG)


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
    pairs = ", ".join(f"{key}: {sql_text(value)}" for key, value in (metadata or {}).items())
    options = "format parquet, compression zstd" + (f", kv_metadata {{{pairs}}}" if pairs else "")
    (threads,) = one_row(connection.execute("select current_setting('threads')"))
    # with several threads the row groups may be cut at other rows from time to time
    connection.execute("set threads = 1")
    try:
        with private_folder(path.parent, ".writing-") as folder:
            temporary = folder / path.name
            connection.execute(f"copy ({query}) to {sql_text(str(temporary))} ({options})")
            put_in_place(temporary, path)
    finally:
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


def unpacked(path: Path, folder: Path) -> tuple[Path, str]:
    """Return a file's content as a file named `source` in a folder, and how it was packed.

    Whatever the path is, that name is no pattern, and no ending promises a format.
    Raises InputError where it cannot be unpacked.
    """
    target = folder / "source"
    head = first_bytes(path)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if b"xl/workbook" in path.read_bytes():
            raise InputError(f"{path} is an Excel workbook: save its sheet as CSV.")
        return unzipped(path, folder).replace(target), "zipped "
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(f"{path} cannot be unpacked ({error}): download it again.") from error
        return target, "gzipped "
    target.symlink_to(path.absolute())
    return target, ""


def first_bytes(path: Path) -> bytes:
    """Return how a file starts, without a byte order mark and the space before its text."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()


def load_source(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Load a file's rows into the table `source`, as they are, numbered in `source_row`.

    Columns of text stay text; where nothing names the columns, their number does. The
    connection is to have one thread, or the order is not sure.

    Returns the format. Raises InputError for a format that is not known.
    """
    head = first_bytes(path)
    if not head:
        raise InputError(f"{path} is empty: download or write it again.")
    for magic, fault in UNREADABLE.items():
        if head.startswith(magic):
            raise InputError(f"{path} {fault}.")
    if head.startswith(b"PAR1"):
        check_is_parquet(str(path))
        form, rows = "parquet", numbered(f"from read_parquet({sql_text(str(path))})")
    elif head.startswith(b"ARROW1"):
        try:
            connection.register("arrow_table", feather.read_table(path))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): write it again.") from error
        form, rows = "feather", numbered("from arrow_table")
    elif head.startswith((b"[", b"{")):
        form, rows = "JSON", json_rows(connection, path, head)
    else:
        form, rows = "CSV", separated_rows(path, head)
    connection.execute(f"create or replace temp table source as from {rows}")
    return form


def numbered(rows: str) -> str:
    """Return the SQL that counts rows in their order, from 1."""
    return (
        "(select columns(lambda name: lower(name) <> 'source_row'),"
        f" row_number() over () as source_row {rows})"
    )


def separated_rows(path: Path, head: bytes) -> str:
    """Return the SQL that reads a CSV file, whatever separates its cells."""
    line = head.decode("utf-8", "replace").split("\n")[0]
    # the comma comes last, for it may stand within numbers
    first = {mark: next(csv.reader([line], delimiter=mark), []) for mark in ";\t|,"}
    delimiter = max(first, key=lambda mark: len(first[mark]))
    header = csv_header(path, delimiter)
    with path.open("rb") as file:
        if sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b"")) % 2:
            raise InputError(f"{path} has a quote that is not closed: write or download it again.")
    names = header or names_of(path, len(first[delimiter]))
    # the index that pandas writes has no name
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    for name in names:
        if sum(name.lower() == other.lower() for other in names) > 1:
            raise InputError(f"{path} has several columns named {name}: keep one of them.")
    names = [f"{name} in file" if name.lower() == "source_row" else name for name in names]
    return csv_rows(path, names, is_headed=header is not None, delimiter=delimiter)


def json_rows(connection: duckdb.DuckDBPyConnection, path: Path, head: bytes) -> str:
    """Return the SQL that reads a JSON list of lists or of objects, or one of them per line.

    Raises InputError for what is cut off, and for an answer that holds a message, no rows.
    """
    is_one_list = re.match(rb"\[\s*[\[{\]]", head) is not None
    if is_one_list and not re.search(rb"[\[\]}]\s*\]\s*$", last_bytes(path)):
        raise InputError(f"{path} is cut off, its end is missing: write or download it again.")
    rows = numbered(
        f"from read_json_objects({sql_text(str(path))},"
        f" format = '{'array' if is_one_list else 'unstructured'}')"
    )
    connection.execute(f"create or replace temp table json_rows as from {rows}")
    shapes = connection.execute("""
        select json_type(json) as kind, json_array_length(json), min(source_row) as first_row,
            arg_min(json, source_row)
        from json_rows group by all order by first_row
    """).fetchall()
    if not shapes:
        raise InputError(f"{path} holds no row: download it again.")
    kind, count, _, text = shapes[0]
    if len(shapes) > 1:
        row, other = shapes[1][2:]
        raise InputError(f"{path}: its row {row}, {shortened(other)}, is unlike row 1: mend it.")
    if kind == "ARRAY":
        cells = {name: f"cells[{place}]" for place, name in enumerate(names_of(path, count), 1)}
        form: list[str] | dict[str, str] = ["VARCHAR"]
    else:
        keys = [
            key
            for (key,) in connection.execute("""
            select key from (select unnest(json_keys(json)) as key, source_row from json_rows)
            group by key order by min(source_row), key
        """).fetchall()
        ]
        (rows_held,) = one_row(connection.execute("select count(*) from json_rows"))
        if not keys or rows_held == 1 and MESSAGE_KEYS & set(keys):
            raise InputError(
                f"{path} holds no rows, but {shortened(text)}: download it again, or save the"
                " list in it alone."
            )
        cells = {key: f"cells.{sql_name(key)}" for key in keys}
        form = dict.fromkeys(keys, "VARCHAR")
    columns = ", ".join(f"{cell} as {sql_name(name)}" for name, cell in cells.items())
    return numbered(
        f"from (select {columns}"
        f" from (select from_json(json, {sql_text(json.dumps(form))}) as cells from json_rows))"
    )


def names_of(path: Path, count: int) -> Sequence[str]:
    """Return the columns of a table without names.

    Raises InputError where no table is known that has as many.
    """
    if count not in NAMES_BY_COUNT:
        raise InputError(
            f"{path} has {count} columns and no names for them, and only tables of"
            f" {', '.join(map(str, NAMES_BY_COUNT))} columns are known: add a header."
        )
    return NAMES_BY_COUNT[count]


def last_bytes(path: Path) -> bytes:
    """Return how a file ends."""
    with path.open("rb") as file:
        file.seek(-min(4096, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read()


def sql_name(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def shortened(text: str) -> str:
    """Return a text for a message."""
    return text if len(text) <= 120 else f"{text[:120]}…"
