"""Read the tables that exchanges and their clients hand out; write the parquet of data/raw.

Sources: the dumps' layout is that of https://data.binance.vision, whose files have a header
or none, and times in ms or µs, as they were made at different times.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import duckdb
import pyarrow as pa
from pyarrow import parquet

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
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
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
# a short file may be as repetitive as it likes
FREELY_UNPACKED_BYTES = 64 << 20
# tables of a strategy with its indicators have some hundreds; each costs time in every query
MAX_COLUMNS = 1_000
# 38 years of minutes
MAX_ROWS = 20_000_000
# a row of MAX_COLUMNS fits; a line is held in memory as a whole
MAX_TABLE_LINE_BYTES = 1 << 20
# what lists the columns and row groups of a parquet file: MAX_COLUMNS in 500 groups
MAX_FOOTER_BYTES = 64 << 20
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
            lines = iter(lambda: file.readline(MAX_TABLE_LINE_BYTES), "")
            first = next(csv.reader(lines, delimiter=delimiter), None)
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
    size = path.stat().st_size
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if is_workbook(path):
            raise InputError(f"{path} is an Excel workbook: save its sheet as CSV.")
        return unzipped(path, folder).replace(target), "zipped "
    if head.startswith(b"\x1f\x8b"):
        try:
            with (
                path.open("rb") as file,
                gzip.GzipFile(fileobj=file) as packed,
                target.open("wb") as plain,
            ):
                copy_within_bounds(path, packed, plain, file.tell)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} cannot be unpacked ({error}): download it again.") from error
        return target, "gzipped "
    if size > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{path} has {size / 1e9:.1f} GB, and at most {MAX_UNPACKED_BYTES / 1e9:.1f} GB are"
            " read: import it in parts, a later one extends the earlier."
        )
    target.symlink_to(path.absolute())
    return target, ""


def copy_within_bounds(
    path: Path, packed: io.BufferedIOBase, plain: IO[bytes], bytes_read: Callable[[], int]
) -> None:
    """Unpack a stream into a file; bytes_read tells how much of the packed one was read.

    Raises InputError as soon as it is larger than a table can be.
    """
    unpacked_bytes = 0
    while chunk := packed.read(1 << 20):
        unpacked_bytes += len(chunk)
        if unpacked_bytes > FREELY_UNPACKED_BYTES + MAX_UNPACK_RATIO * bytes_read():
            raise InputError(
                f"{path} unpacks to more than {MAX_UNPACK_RATIO} times its size, as no table"
                " of bars or prints does: check where it comes from."
            )
        if unpacked_bytes > MAX_UNPACKED_BYTES:
            raise InputError(
                f"{path} unpacks to more than {MAX_UNPACKED_BYTES / 1e9:.1f} GB: import it in"
                " parts, a later one extends the earlier."
            )
        plain.write(chunk)


def is_workbook(path: Path) -> bool:
    """Return whether a zip is a workbook, by the names at its start and in its directory."""
    return b"[Content_Types].xml" in first_bytes(path) or b"xl/workbook" in last_bytes(path, 65_536)


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
        check_parquet(path)
        form, rows = "parquet", numbered(f"from read_parquet({sql_text(str(path))})")
    elif head.startswith(b"ARROW1"):
        connection.register("arrow_table", read_feather(path))
        form, rows = "feather", numbered("from arrow_table")
    elif head.startswith((b"[", b"{")):
        check_text(path)
        form, rows = "JSON", json_rows(connection, path, head)
    else:
        check_text(path, is_csv=True)
        form, rows = "CSV", separated_rows(path, head)
    connection.execute(f"create or replace temp table source as from {rows}")
    return form


def check_parquet(path: Path) -> None:
    """Refuse a parquet file that is damaged, or whose columns or rows are too many."""
    check_is_parquet(str(path))
    footer = int.from_bytes(last_bytes(path, 8)[:4], "little")
    if footer > MAX_FOOTER_BYTES:
        raise InputError(
            f"{path} lists its columns and row groups in {footer / 1e6:,.0f} MB: write it again"
            " with fewer of them."
        )
    try:
        with parquet.ParquetFile(path) as file:
            check_columns(path, file.schema_arrow.names)
            check_row_count(path, file.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): write it again.") from error


def read_feather(path: Path) -> pa.Table:
    """Return the table of a feather file; raises InputError where it cannot be read."""
    try:
        with pa.ipc.open_file(path) as file:
            check_columns(path, file.schema.names)
            table = file.read_all()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): write it again.") from error
    check_row_count(path, table.num_rows)
    return table


def check_row_count(path: Path, rows: int) -> None:
    """Refuse a table that is too long."""
    if rows > MAX_ROWS:
        raise InputError(
            f"{path} has {rows:,} rows, and at most {MAX_ROWS:,} are read: import it in parts, a"
            " later one extends the earlier."
        )


def check_columns(path: Path, names: Iterable[str]) -> None:
    """Refuse columns that are too many, or whose names differ in letter case only."""
    known: dict[str, str] = {}
    for place, name in enumerate(names, start=1):
        if place > MAX_COLUMNS:
            raise InputError(
                f"{path} has more than {MAX_COLUMNS:,} columns: keep those of the time, the prices"
                " and the volume, or the rate."
            )
        other = known.setdefault(name.lower(), name)
        if place > len(known):
            also = "" if name == other else f" or {name}"
            raise InputError(f"{path} has several columns named {other}{also}: drop or rename one.")


def check_text(path: Path, *, is_csv: bool = False) -> None:
    """Refuse bytes that no text has, and a CSV with an open quote or an endless line."""
    quotes = 0
    with path.open("rb") as file:
        while chunk := file.read(MAX_TABLE_LINE_BYTES):
            if b"\0" in chunk:
                raise InputError(
                    f"{path} holds NUL bytes, as UTF-16 text and damaged files do: save it as"
                    " UTF-8, or download it again."
                )
            if is_csv:
                quotes += chunk.count(b'"')
                if len(chunk) == MAX_TABLE_LINE_BYTES and not (b"\n" in chunk or b"\r" in chunk):
                    raise InputError(
                        f"{path} has a line of more than {MAX_TABLE_LINE_BYTES / 1e6:.0f} MB:"
                        " write a line for each row."
                    )
    if quotes % 2:
        raise InputError(f"{path} has a quote that is not closed: write or download it again.")


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
    names = header or names_of(path, len(first[delimiter]))
    # the index that pandas writes has no name
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    check_columns(path, names)
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
    try:
        connection.execute(f"create or replace temp table json_rows as from {rows}")
    except duckdb.InvalidInputException as error:
        if "maximum_object_size" not in str(error):
            raise
        raise InputError(
            f"{path} has a row of more than 16 MB: save the list of rows alone, a row for each bar"
            " or print."
        ) from error
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
        keys = json_columns(connection, path)
        if not keys or is_wrapping(connection, keys):
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


def json_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the keys of all objects in the table `json_rows`, in their order."""
    lists = connection.execute(
        "select json_keys(json) as keys from json_rows group by keys order by min(source_row)"
    )
    names: dict[str, None] = {}
    while found := lists.fetchone():
        # a key may stand twice in one object
        check_columns(path, found[0])
        if not names.keys() >= set(found[0]):
            names |= dict.fromkeys(found[0])
            check_columns(path, names)
    return list(names)


def is_wrapping(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> bool:
    """Return whether the table `json_rows` is one object, with a message or with rows in it."""
    (rows,) = one_row(connection.execute("select count(*) from json_rows"))
    if rows > 1:
        return False
    # `info` is the answer of the exchange that CCXT adds to each row
    (nested,) = one_row(
        connection.execute(
            "select count(*) from json_rows, json_each(json)"
            " where type in ('ARRAY', 'OBJECT') and key <> 'info'"
        )
    )
    return nested > 0 or bool(MESSAGE_KEYS & set(keys))


def names_of(path: Path, count: int) -> Sequence[str]:
    """Return the columns of a table without names.

    Raises InputError where no table is known that has as many.
    """
    if count not in NAMES_BY_COUNT:
        # as mark and index prices come
        advice = " if its prices are those of trades" if count == 5 else ""
        raise InputError(
            f"{path} has {count} columns and no names for them, and only tables of"
            f" {', '.join(map(str, NAMES_BY_COUNT))} columns are known: add a header{advice}."
        )
    return NAMES_BY_COUNT[count]


def last_bytes(path: Path, count: int = 4096) -> bytes:
    """Return how a file ends."""
    with path.open("rb") as file:
        file.seek(-min(count, file.seek(0, os.SEEK_END)), os.SEEK_END)
        return file.read()


def sql_number(text: str, kind: str = "double") -> str:
    """Return the SQL that reads a text as a number, NULL for none; DuckDB takes 1_0 for 10."""
    return f"case when not contains({text}, '_') then try_cast({text} as {kind}) end"


def sql_name(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def shortened(text: str) -> str:
    """Return a text for a message."""
    return text if len(text) <= 120 else f"{text[:120]}…"
