"""Files of other tools become files that a run takes: the same rows, or a refusal that says why."""

from __future__ import annotations

import fnmatch
import gzip
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, process_time, sleep

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from scripts import import_data, market_files, sample_data
from scripts.files import locked
from scripts.inputs import input_macros
from scripts.project import default_vars
from tests.conftest import (
    MARKET_DATA,
    ROOT,
    Project,
    assert_documented,
    needs_market_data,
    read_metrics,
    write_parquet,
)

MACROS = input_macros({})
TIMES = pd.date_range("2025-01-01", periods=6, freq="5min", tz="UTC")
BARS = pd.DataFrame(
    {
        "timestamp": TIMES,
        "open": [93576.0, 93661.2, 93607.1, 93656.18, 93600.0, 93700.1],
        "high": [93702.15, 93678.02, 93656.19, 93700.0, 93710.0, 93720.9],
        "low": [93537.5, 93600.0, 93489.03, 93590.1, 93580.0, 93650.0],
        "close": [93661.2, 93607.1, 93656.18, 93600.0, 93700.1, 93690.3],
        "volume": [45.9416, 71.94585, 57.96928, 0.1, 0.0, 12.5],
    }
)
PRINT_TIMES = pd.date_range("2025-01-01", periods=6, freq="8h", tz="UTC")
PRINTS = pd.DataFrame(
    {
        "timestamp": PRINT_TIMES,
        "funding_rate": [1e-4, -3.051e-05, 0.0, 5.242e-05, 1e-4, 0.00012345],
    }
)
KINDS = ["spot", "perp", "funding"]

Call = Callable[..., tuple[int, list[str], list[str]]]


def ms(times: pd.DatetimeIndex) -> list[int]:
    """Return times as exchanges write them."""
    return times.as_unit("ms").asi8.tolist()


def klines() -> list[list]:
    """Return the bars as the klines of REST answers, numbers as texts."""
    return [
        [time, *map(str, row), time + 299_999, "1.5", 7, "0.5", "0.75", "0"]
        for time, row in zip(ms(TIMES), BARS.iloc[:, 1:].to_numpy().tolist(), strict=True)
    ]


def ohlcv() -> list[list]:
    """Return the bars as CCXT's fetch_ohlcv does, and as freqtrade stores them as JSON."""
    return [
        [time, *row]
        for time, row in zip(ms(TIMES), BARS.iloc[:, 1:].to_numpy().tolist(), strict=True)
    ]


def funding_history() -> list[dict]:
    """Return the prints as CCXT's fetch_funding_rate_history does."""
    return [
        {
            "info": {"symbol": "BTCUSDT", "fundingTime": time + 7},
            "symbol": "BTC/USDT:USDT",
            "fundingRate": rate,
            "timestamp": time + 7,
            "datetime": f"{pd.Timestamp(time + 7, unit='ms').isoformat(timespec='milliseconds')}Z",
        }
        for time, rate in zip(ms(PRINT_TIMES), PRINTS["funding_rate"], strict=True)
    ]


def rest_prints() -> list[dict]:
    """Return the prints as Binance's /fapi/v1/fundingRate does."""
    return [
        {"symbol": "BTCUSDT", "fundingTime": time, "fundingRate": f"{rate:.8f}", "markPrice": ""}
        for time, rate in zip(ms(PRINT_TIMES), PRINTS["funding_rate"], strict=True)
    ]


def freqtrade(others: float | None = 0.0) -> pd.DataFrame:
    """Return the prints as freqtrade stores them; others are high, low and close, or open."""
    rates = PRINTS["funding_rate"]
    rest = rates if others is None else others
    return pd.DataFrame(
        {
            "date": PRINT_TIMES,
            "open": rates,
            "high": rest,
            "low": rest,
            "close": rest,
            "volume": 0.0,
        }
    )


def as_csv(frame: pd.DataFrame | list[list], **options: object) -> str:
    """Return rows as CSV, with the columns' names if there are any."""
    is_named = isinstance(frame, pd.DataFrame)
    return pd.DataFrame(frame).to_csv(**{"index": False, "header": is_named} | options)


def dump_header() -> str:
    """Return the first line of the dumps that have one."""
    return ",".join(market_files.KLINE_COLUMNS) + "\n"


def packed_table(form: str, **columns: list) -> bytes:
    """Return a table as parquet or feather, its columns named as DuckDB could not."""
    packed = io.BytesIO()
    write = {"parquet": parquet.write_table, "feather": feather.write_feather}[form]
    write(pa.table(list(columns.values()), names=list(columns)), packed)
    return packed.getvalue()


def print_dump() -> list[list]:
    """Return the prints as the rows of a dump."""
    return [
        [time, 8, f"{rate:.8f}"]
        for time, rate in zip(ms(PRINT_TIMES), PRINTS["funding_rate"], strict=True)
    ]


def store(path: Path, content: object) -> Path:
    """Write what a test describes: a frame by the ending of its file, a text, bytes, or JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        if path.suffix == ".feather":
            content.to_feather(path)
        else:
            write_parquet(path, content)
    elif isinstance(content, (str, bytes)):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    else:
        path.write_text(json.dumps(content))
    return path


def zipped(**texts: str) -> bytes:
    """Return a zip of CSV files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(f"{name}.csv", text)
    return packed.getvalue()


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Call:
    """Import files in this process; return exit code, lines of stdout, lines of stderr."""

    def run(*files: Path, kind: str = "spot", symbol: str = "BTCUSDT") -> tuple:
        arguments = [*map(str, files), "--kind", kind, "--symbol", symbol]
        monkeypatch.setattr(sys, "argv", ["import_data", *arguments, "--out", str(out(tmp_path))])
        capsys.readouterr()
        code = import_data.main()
        captured = capsys.readouterr()
        assert_documented("scripts.import_data", code, captured.out)
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


def out(tmp_path: Path) -> Path:
    """Return where the imports of a test go."""
    return tmp_path / "out"


def written(tmp_path: Path) -> list[str]:
    """Return the names of all that an import has left."""
    return sorted(path.name for path in out(tmp_path).rglob("*"))


def table(path: Path | str, order: str = "") -> pd.DataFrame:
    """Return what a parquet file holds, as it stands in it."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.sql(f"from read_parquet(?) {order}", params=[str(path)])
        return rows.to_arrow_table().to_pandas()


def assert_rows(path: Path | str, expected: pd.DataFrame, symbol: str = "BTCUSDT") -> None:
    """Compare a parquet file's rows, order and values with those expected, to the last digit."""
    found = table(path)
    wanted = expected.copy()
    wanted.insert(1, "symbol", symbol)
    assert list(found.columns) == list(wanted.columns)
    assert (found["timestamp"] == wanted["timestamp"].to_numpy()).all()
    assert len(found) == len(wanted)
    pd.testing.assert_frame_equal(
        found.drop(columns="timestamp"),
        wanted.drop(columns="timestamp").reset_index(drop=True),
        check_exact=True,
        check_dtype=False,
        check_column_type=False,
    )


def refusal(call: Call, tmp_path: Path, *files: Path, **flags: str) -> str:
    """Import what is to be refused; return the one line, after which nothing has changed."""
    before = {path: path.read_bytes() for path in out(tmp_path).glob("*")}
    code, stdout, stderr = call(*files, **flags)
    assert (code, stdout, len(stderr)) == (2, [], 1), stderr
    assert {path: path.read_bytes() for path in out(tmp_path).glob("*")} == before
    assert stderr[0].startswith("error: ")
    return stderr[0]


def named(*columns: str) -> pd.DataFrame:
    """Return the bars with other columns' names."""
    return BARS.set_axis(list(columns), axis=1)


PANDAS = as_csv(BARS.assign(timestamp=TIMES.tz_localize(None)), index=True)
# what it is called in the message, and the file: each holds BARS
BAR_FILES: dict[str, tuple[str, str, object]] = {
    "freqtrade feather": (
        "BTC_USDT-5m.feather",
        "freqtrade feather",
        named("date", "open", "high", "low", "close", "volume"),
    ),
    "freqtrade parquet": (
        "BTC_USDT-5m.parquet",
        "freqtrade parquet",
        named("date", "open", "high", "low", "close", "volume"),
    ),
    "freqtrade or CCXT JSON": ("BTC_USDT-5m.json", "OHLCV JSON", ohlcv()),
    "freqtrade json.gz": (
        "BTC_USDT-5m.json.gz",
        "OHLCV gzipped JSON",
        gzip.compress(json.dumps(ohlcv()).encode()),
    ),
    "CCXT JSON, indented": ("ohlcv.json", "OHLCV JSON", json.dumps(ohlcv(), indent=2)),
    "CCXT JSON lines": ("ohlcv.jsonl", "OHLCV JSON", "\n".join(map(json.dumps, ohlcv()))),
    "CCXT CSV": ("ohlcv.csv", "OHLCV CSV", as_csv(BARS.assign(timestamp=ms(TIMES)))),
    "CCXT CSV without names": ("ohlcv.csv", "OHLCV CSV", as_csv(ohlcv())),
    "REST": ("klines.json", "Binance klines JSON", klines()),
    "REST, with a mark": (
        "klines.json",
        "Binance klines JSON",
        b"\xef\xbb\xbf \n" + json.dumps(klines()).encode(),
    ),
    "dump": ("BTCUSDT-5m-2025-01.csv", "Binance klines CSV", as_csv(klines())),
    "dump with names": (
        "BTCUSDT-5m-2025-01.csv",
        "Binance klines CSV",
        dump_header() + as_csv(klines()),
    ),
    "dump zip": (
        "BTCUSDT-5m-2025-01.zip",
        "Binance klines zipped CSV",
        zipped(dump=as_csv(klines())),
    ),
    "gzipped CSV": (
        "bars.csv.gz",
        "Binance klines gzipped CSV",
        gzip.compress(as_csv(klines()).encode()),
    ),
    "JSON objects": (
        "bars.json",
        "OHLCV JSON",
        BARS.assign(timestamp=ms(TIMES)).to_dict(orient="records"),
    ),
    "columns in capitals": (
        "bars.parquet",
        "parquet",
        named("Open_Time", "OPEN", "High", "Low", "Close", "Volume"),
    ),
    "columns in another order": (
        "bars.csv",
        "OHLCV CSV",
        as_csv(BARS.iloc[:, ::-1].assign(number_of_trades=3)),
    ),
    "semicolons": ("bars.csv", "OHLCV CSV", as_csv(BARS, sep=";")),
    "tabs": ("bars.tsv", "OHLCV CSV", as_csv(BARS, sep="\t")),
    "bars between": ("bars.txt", "OHLCV CSV", as_csv(BARS, sep="|")),
    "a mark, quotes and CRLF": (
        "bars.csv",
        "OHLCV CSV",
        as_csv(BARS, quoting=1, lineterminator="\r\n").encode("utf-8-sig"),
    ),
    "a mark, without names": (
        "bars.csv",
        "Binance klines CSV",
        as_csv(klines()).encode("utf-8-sig"),
    ),
    "index of pandas": ("bars.csv", "OHLCV CSV", PANDAS),
    "numbers as text": (
        "bars.parquet",
        "OHLCV parquet",
        BARS.astype({name: str for name in BARS.columns[1:]}),
    ),
    "columns that the script uses itself": (
        "bars.csv",
        "OHLCV CSV",
        as_csv(
            BARS.assign(
                source_row=range(6, 0, -1),
                file=9,
                source="x",
                close_="y",
                name="ETHUSDT",
                symbol="BTCUSDT",
                cells=1,
            )
        ),
    ),
    "an ending that is not true": ("bars.parquet", "OHLCV CSV", as_csv(BARS)),
    "an ending of packed files": ("bars.csv.gz", "OHLCV CSV", as_csv(BARS)),
    "a name that looks like a pattern": ("b[a]r*s?.csv", "OHLCV CSV", as_csv(BARS)),
    "a zip whose name looks like a pattern": (
        "b[a]r*s?.zip",
        "Binance klines zipped CSV",
        zipped(dump=as_csv(klines())),
    ),
}
# each holds PRINTS
PRINT_FILES: dict[str, tuple[str, str, object]] = {
    "freqtrade feather": ("8h-funding_rate.feather", "freqtrade funding feather", freqtrade()),
    "freqtrade, others equal": (
        "8h-funding_rate.feather",
        "freqtrade funding feather",
        freqtrade(None),
    ),
    "freqtrade, others missing": (
        "8h-funding_rate.parquet",
        "freqtrade funding parquet",
        freqtrade(np.nan),
    ),
    "freqtrade JSON": (
        "8h-funding_rate.json",
        "freqtrade funding JSON",
        [
            [time, rate, 0, None, 0, None]
            for time, rate in zip(ms(PRINT_TIMES), PRINTS["funding_rate"], strict=True)
        ],
    ),
    "CCXT JSON": ("history.json", "CCXT funding JSON", funding_history()),
    "CCXT JSON lines": (
        "history.jsonl",
        "CCXT funding JSON",
        "\n".join(map(json.dumps, funding_history())),
    ),
    "CCXT CSV": (
        "history.csv",
        "CCXT funding CSV",
        as_csv(pd.DataFrame(funding_history()), index=True),
    ),
    "REST": ("rates.json", "Binance funding JSON", rest_prints()),
    "OKX": (
        "rates.json",
        "OKX funding JSON",
        [
            {
                "fundingRate": row["fundingRate"],
                "fundingTime": str(row["fundingTime"]),
                "instId": "BTC-USDT-SWAP",
                "realizedRate": row["fundingRate"],
            }
            for row in rest_prints()
        ],
    ),
    "dump": ("fundingRate-2025-01.csv", "Binance funding dump CSV", as_csv(print_dump())),
    "dump with names": (
        "fundingRate-2025-01.csv",
        "Binance funding dump CSV",
        "calc_time,funding_interval_hours,last_funding_rate\n" + as_csv(print_dump()),
    ),
    "dump zip": (
        "fundingRate-2025-01.zip",
        "Binance funding dump zipped CSV",
        zipped(dump=as_csv(print_dump())),
    ),
    "any table": ("prints.parquet", "parquet", PRINTS),
}


@pytest.mark.parametrize("form", BAR_FILES)
def test_bars_come_out_the_same_from_every_form(call: Call, tmp_path: Path, form: str) -> None:
    name, said, content = BAR_FILES[form]
    path = store(tmp_path / name, content)
    code, stdout, stderr = call(path)
    assert code == 0, stderr
    assert stdout == [str(out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet")]
    assert stderr == [
        f"{path}: {said}, 6 bars of 5m, 2025-01-01 00:00 to 2025-01-01 00:25",
        "imported_spot_BTCUSDT_5m.parquet written: 6 rows read, 6 new, 0 replaced a row with"
        " other values",
    ]
    assert_rows(stdout[0], BARS)


@pytest.mark.parametrize("form", PRINT_FILES)
def test_prints_come_out_the_same_from_every_form(call: Call, tmp_path: Path, form: str) -> None:
    name, said, content = PRINT_FILES[form]
    path = store(tmp_path / name, content)
    code, stdout, stderr = call(path, kind="funding")
    assert code == 0, stderr
    assert stdout == [str(out(tmp_path) / "imported_funding_BTCUSDT.parquet")]
    assert stderr[0] == f"{path}: {said}, 6 prints, 2025-01-01 00:00 to 2025-01-02 16:00"
    assert_rows(stdout[0], PRINTS)


EPOCH_NS = TIMES.as_unit("ns").asi8
TIME_FORMS: dict[str, object] = {
    "seconds": EPOCH_NS // 10**9,
    "milliseconds": EPOCH_NS // 10**6,
    "microseconds": EPOCH_NS // 10**3,
    "nanoseconds": EPOCH_NS,
    "all units in one file": [
        time // 10**power for time, power in zip(EPOCH_NS, [9, 6, 3, 0, 6, 9], strict=True)
    ],
    "floats": EPOCH_NS // 10**6 * 1.0,
    "ISO": TIMES.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "ISO without offset": TIMES.strftime("%Y-%m-%d %H:%M:%S"),
    "ISO with an offset": [time.isoformat() for time in TIMES.tz_convert("Asia/Kolkata")],
    "timestamps": TIMES.tz_localize(None),
    "timestamps of a zone": TIMES.tz_convert("America/New_York"),
}


@pytest.mark.parametrize("ending", ["csv", "feather"])
@pytest.mark.parametrize("form", TIME_FORMS)
def test_times_are_read_in_every_form(call: Call, tmp_path: Path, form: str, ending: str) -> None:
    frame = BARS.assign(timestamp=TIME_FORMS[form])
    path = store(tmp_path / f"bars.{ending}", as_csv(frame) if ending == "csv" else frame)
    code, stdout, stderr = call(path)
    assert code == 0, stderr
    assert_rows(stdout[0], BARS)


@pytest.mark.parametrize("name", MACROS.bar_time_columns().split(","))
def test_every_time_column_that_staging_knows_is_known(
    call: Call, tmp_path: Path, name: str
) -> None:
    frame = BARS.rename(columns={"timestamp": name.upper()})
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(frame)))
    assert_rows(stdout[0], BARS)


@pytest.mark.parametrize(
    ("time", "rate"),
    [(time, "rate") for time in MACROS.print_time_columns().split(",")]
    + [("ts", rate) for rate in MACROS.rate_columns().split(",")],
)
def test_every_column_of_prints_that_staging_knows_is_known(
    call: Call, tmp_path: Path, time: str, rate: str
) -> None:
    path = store(tmp_path / "prints.csv", as_csv(PRINTS.set_axis([time, rate], axis=1)))
    _, stdout, _ = call(path, kind="funding")
    assert_rows(stdout[0], PRINTS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_globs_of_a_run_find_the_file(call: Call, tmp_path: Path, kind: str) -> None:
    frame = PRINTS if kind == "funding" else BARS
    _, stdout, _ = call(store(tmp_path / "in.parquet", frame), kind=kind)
    pattern = Path(default_vars()[kind]).name
    assert fnmatch.fnmatch(Path(stdout[0]).name, pattern)


def test_the_file_is_typed_and_packed(call: Call, tmp_path: Path) -> None:
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(BARS)))
    with duckdb.connect() as connection:
        types = connection.execute("describe from read_parquet(?)", stdout).fetchall()
        packing = connection.execute(
            "select distinct compression from parquet_metadata(?)", stdout
        ).fetchall()
    assert [row[:2] for row in types] == [
        ("timestamp", "TIMESTAMP WITH TIME ZONE"),
        ("symbol", "VARCHAR"),
        ("open", "DOUBLE"),
        ("high", "DOUBLE"),
        ("low", "DOUBLE"),
        ("close", "DOUBLE"),
        ("volume", "DOUBLE"),
    ]
    assert packing == [("ZSTD",)]


def test_the_same_rows_give_the_same_bytes(call: Call, tmp_path: Path) -> None:
    contents = set()
    for order in (BARS, BARS.iloc[::-1], BARS.sample(frac=1, random_state=1)):
        _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(order)))
        contents.add(Path(stdout[0]).read_bytes())
        Path(stdout[0]).unlink()
    assert len(contents) == 1


@pytest.mark.parametrize(
    ("steps", "interval"),
    [
        ([1] * 3, "1m"),
        ([5] * 3, "5m"),
        ([60] * 3, "1h"),
        ([240] * 3, "4h"),
        ([1440] * 3, "1d"),
        ([7] * 3, "7m"),
        ([2880] * 3, "2880m"),
        ([0.5] * 3, "30s"),
        ([5, 60, 5, 60, 5], "5m"),
        ([60, 120, 60, 60], "1h"),
        ([60, 5], "5m"),
        ([5, 0, 0, 0], "5m"),
    ],
)
def test_the_interval_is_the_commonest_spacing_and_then_the_shortest(
    call: Call, tmp_path: Path, steps: list[float], interval: str
) -> None:
    minutes = np.cumsum([0, *steps])
    times = TIMES[0] + pd.to_timedelta(minutes, unit="min")
    frame = pd.DataFrame({"timestamp": times, "close": 1.5})
    _, stdout, stderr = call(store(tmp_path / "bars.csv", as_csv(frame)), kind="perp")
    assert Path(stdout[0]).name == f"imported_perp_BTCUSDT_{interval}.parquet"
    assert f"bars of {interval}, " in stderr[0]


@pytest.mark.parametrize(
    "absent",
    [
        ["volume"],
        ["open", "high", "low"],
        ["open", "high", "low", "volume"],
    ],
)
def test_columns_that_no_file_has_are_left_out(
    call: Call, tmp_path: Path, absent: list[str]
) -> None:
    frame = BARS.drop(columns=absent)
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(frame)))
    assert_rows(stdout[0], frame)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_volume_may_be_empty(call: Call, tmp_path: Path, ending: str) -> None:
    frame = BARS.assign(volume=[1.5, np.nan, 2.5, np.nan, np.inf, 0])
    path = store(tmp_path / f"bars.{ending}", as_csv(frame) if ending == "csv" else frame)
    _, stdout, stderr = call(path)
    assert stdout, stderr
    assert_rows(stdout[0], frame.replace(np.inf, np.nan))
    with duckdb.connect() as connection:
        nulls = connection.execute(
            "select count(*) from read_parquet(?) where volume is null", stdout
        ).fetchone()
    assert nulls == (3,)


def bitmex() -> list[dict]:
    """Return the bars as BitMEX does, which names them by their close."""
    return [
        {
            "timestamp": f"{time + pd.Timedelta('5min'):%Y-%m-%dT%H:%M:%S.000Z}",
            "symbol": "XBTUSD",
            **dict(zip(["open", "high", "low", "close"], row, strict=True)),
            "trades": 7,
            "volume": volume,
            "vwap": None,
            "lastSize": 100,
            "turnover": 1000,
            "homeNotional": 1.5,
            "foreignNotional": 140_000,
        }
        for time, *row, volume in BARS.itertuples(index=False)
    ]


def closing(dump: list[list], **columns: object) -> str:
    """Return klines as CSV without the times of their open."""
    frame = pd.DataFrame(dump, columns=list(market_files.KLINE_COLUMNS))
    return as_csv(frame.drop(columns="open_time").assign(**columns))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", bitmex()),
        ("a.csv", as_csv(pd.DataFrame(bitmex()))),
        ("a.csv", closing(klines())),
        ("a.csv", closing(klines()).replace("close_time", "closeTime")),
        ("a.csv", closing(klines(), timestamp=ms(TIMES + pd.Timedelta("5min")))),
    ],
    ids=["BitMEX", "BitMEX CSV", "close time", "closeTime", "close time and timestamp"],
)
def test_bars_that_are_named_by_their_close_get_the_time_of_their_open(
    call: Call, tmp_path: Path, name: str, content: object
) -> None:
    symbol = "XBTUSD" if "XBTUSD" in str(content) else "BTCUSDT"
    _, stdout, stderr = call(store(tmp_path / name, content), symbol=symbol)
    assert stdout, stderr
    assert ", 6 bars of 5m, moved from their close to their open, 2025-01-01 00:00 to" in stderr[0]
    assert_rows(stdout[0], BARS, symbol=symbol)


def test_a_single_bar_that_is_named_by_its_close_extends_what_is_there(
    call: Call, tmp_path: Path
) -> None:
    call(store(tmp_path / "old.csv", closing(klines()[:5])))
    _, stdout, _ = call(store(tmp_path / "new.csv", closing(klines()[5:])))
    assert_rows(stdout[0], BARS)


@pytest.mark.parametrize(
    ("rate", "other", "factor"),
    [("relativeFundingRate", "fundingRate", 95_000), ("realizedRate", "fundingRate", 1.01)],
    ids=["Kraken Futures", "OKX"],
)
def test_the_rate_that_was_paid_is_taken(
    call: Call, tmp_path: Path, rate: str, other: str, factor: float
) -> None:
    frame = PRINTS.rename(columns={"funding_rate": rate})
    frame.insert(1, other, PRINTS["funding_rate"] * factor)
    _, stdout, _ = call(store(tmp_path / "rates.csv", as_csv(frame)), kind="funding")
    assert_rows(stdout[0], PRINTS)


def test_rates_of_krakens_symbols_are_relative_ones_or_none(call: Call, tmp_path: Path) -> None:
    frame = PRINTS.assign(symbol="PF_XBTUSD")
    path = store(tmp_path / "rates.csv", as_csv(frame.rename(columns={"funding_rate": "rate"})))
    line = refusal(call, tmp_path, path, kind="funding", symbol="PF_XBTUSD")
    assert "has the layout of Kraken Futures" in line


@pytest.mark.parametrize("spike", [-0.02, 0.03, 0.75])
def test_single_rates_may_be_high(call: Call, tmp_path: Path, spike: float) -> None:
    frame = PRINTS.assign(funding_rate=[spike, 0.006, *PRINTS["funding_rate"][2:]])
    _, stdout, _ = call(store(tmp_path / "rates.csv", as_csv(frame)), kind="funding")
    assert_rows(stdout[0], frame)


def test_bars_without_trades_are_bars(call: Call, tmp_path: Path) -> None:
    still = BARS.assign(open=93600.0, high=93600.0, low=93600.0, close=93600.0, volume=0.0)
    for frame in (still, pd.concat([still[:5], BARS[5:]])):
        _, stdout, stderr = call(store(tmp_path / "bars.csv", as_csv(frame)))
        assert stdout, stderr
        assert_rows(stdout[0], frame)


def test_prices_without_volume_need_no_column_of_it(call: Call, tmp_path: Path) -> None:
    frame = BARS.assign(volume=0.0)
    line = refusal(call, tmp_path, store(tmp_path / "bars.csv", as_csv(frame)))
    assert "or drop the column volume if these are" in line
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(frame.drop(columns="volume"))))
    assert_rows(stdout[0], BARS.drop(columns="volume"))


def test_times_that_agree_are_one(call: Call, tmp_path: Path) -> None:
    frame = BARS.assign(open_time=ms(TIMES), datetime=TIMES.strftime("%Y-%m-%dT%H:%M:%S.123Z"))
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(frame)))
    assert_rows(stdout[0], BARS)


def test_weeks_may_begin_on_any_day(call: Call, tmp_path: Path) -> None:
    weeks = BARS.assign(timestamp=pd.date_range("2025-01-06", periods=6, freq="7D", tz="UTC"))
    _, stdout, _ = call(store(tmp_path / "bars.csv", as_csv(weeks)))
    assert_rows(stdout[0], weeks)


def test_prints_of_two_clients_are_one_though_their_stamps_jitter(
    call: Call, tmp_path: Path
) -> None:
    call(store(tmp_path / "dump.csv", as_csv(print_dump())), kind="funding")
    _, stdout, stderr = call(store(tmp_path / "ccxt.json", funding_history()), kind="funding")
    assert_rows(stdout[0], PRINTS)
    assert "6 rows read, 0 new, 0 replaced" in stderr[-1]


def cell(column: str, value: object, row: int = 3) -> str:
    """Return the bars as CSV, with one cell replaced."""
    frame = BARS.assign(timestamp=ms(TIMES)).astype(object)
    frame.loc[row - 1, column] = value
    return as_csv(frame)


def with_price(column: str, value: object) -> pd.DataFrame:
    """Return the bars with a price of their own in row 3."""
    frame = BARS.copy()
    frame.loc[2, column] = value
    return frame


STILL = BARS.assign(open=0.5, high=0.5, low=0.5, close=0.5, volume=0.0)
CHEAP = BARS.assign(**{name: BARS[name] * 1e-9 for name in ("open", "high", "low", "close")})
REFUSED: dict[str, tuple[str, str, object, list[str]]] = {
    # name: (kind, name of the file, its content, words of the refusal)
    "word for a price": ("spot", "a.csv", cell("close", "n/a"), ["row 3 has the close 'n/a'"]),
    "thousands": ("spot", "a.csv", cell("open", "1,234.5"), ["row 3 has the open '1,234.5'"]),
    "decimal commas": (
        "perp",
        "a.csv",
        as_csv(BARS, sep=";", decimal=","),
        ["row 1 has the open '93576,0'"],
    ),
    "empty price": ("spot", "a.csv", cell("high", None), ["row 3 has an empty high"]),
    "NaN in CSV": ("spot", "a.csv", cell("low", "NaN"), ["row 3 has the low 'NaN'"]),
    "infinite": ("spot", "a.csv", cell("close", "-inf"), ["row 3 has the close '-inf'"]),
    "infinite, in parquet": (
        "spot",
        "a.parquet",
        with_price("close", np.inf),
        ["row 3 has the close 'inf'"],
    ),
    "null in parquet": ("spot", "a.parquet", with_price("low", None), ["row 3 has an empty low"]),
    "null in JSON": (
        "spot",
        "a.json",
        [*ohlcv(), [ms(TIMES)[0], 1, 1, 1, None, 1]],
        ["row 7 has an empty close"],
    ),
    "true for a price": ("spot", "a.parquet", BARS.assign(close=True), ["row 1", "close 'true'"]),
    "word for a volume": ("spot", "a.csv", cell("volume", "much"), ["row 3", "volume 'much'"]),
    "first of several": (
        "spot",
        "a.csv",
        cell("close", "x", row=5).replace("93678.02", "y"),
        ["row 2 has the high 'y'"],
    ),
    "word for a rate": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(funding_rate="0.01%")),
        ["row 1 has the funding_rate '0.01%'"],
    ),
    "empty rate": (
        "funding",
        "a.json",
        [*rest_prints(), rest_prints()[0] | {"fundingRate": ""}],
        ["row 7 has an empty fundingRate"],
    ),
    "rates in per cent": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(funding_rate=-1.25)),
        ["row 1 has the rate -1.25", "fractions"],
    ),
    "word for a time": (
        "spot",
        "a.csv",
        cell("timestamp", "soon"),
        [
            "row 3 has the timestamp 'soon'",
            "2009 to 2099",
            "ISO text",
        ],
    ),
    "empty time": ("spot", "a.csv", cell("timestamp", None), ["row 3 has an empty timestamp"]),
    "date for an integer": ("spot", "a.csv", cell("timestamp", 20250101), ["'20250101'"]),
    "time of 1970": (
        "spot",
        "a.parquet",
        BARS.assign(timestamp=[*TIMES[:2], pd.Timestamp(0, tz="UTC"), *TIMES[3:]]),
        ["row 3 has the timestamp '1970-01-01 00:00:00+00'"],
    ),
    "integer beyond all units": ("spot", "a.csv", cell("timestamp", "9" * 30), ["row 3", "999"]),
    "time that a spreadsheet rounded": (
        "spot",
        "a.csv",
        cell("timestamp", "1.73569E+12"),
        ["row 3", "'1.73569E+12'"],
    ),
    "boolean for a time": (
        "spot",
        "a.parquet",
        BARS.assign(timestamp=True),
        ["timestamp is BOOLEAN, not a time"],
    ),
    "no time column": (
        "spot",
        "a.csv",
        as_csv(BARS.rename(columns={"timestamp": "when"})),
        [
            "has no time column: it has when, open, high",
            "timestamp, ts, time",
        ],
    ),
    "no price": (
        "spot",
        "a.parquet",
        BARS.rename(columns={"close": "last"}),
        [
            "has no column close: it has timestamp, open, high, low, last",
            "Rename",
        ],
    ),
    "no rate": (
        "funding",
        "a.csv",
        as_csv(PRINTS.rename(columns={"funding_rate": "x"})),
        [
            "has no column funding_rate or fundingRate",
            "it has timestamp, x",
        ],
    ),
    "two closes": ("spot", "a.csv", as_csv(BARS.assign(Close=1)), ["several columns named close"]),
    "nameless columns": (
        "spot",
        "a.json",
        [row[:5] for row in ohlcv()],
        ["has 5 columns", "12, 6"],
    ),
    "candles of another exchange": (
        "spot",
        "a.csv",
        as_csv([[*row, 1, 2, 1] for row in ohlcv()]),
        ["has 9 columns"],
    ),
    "klines as prints": ("funding", "a.json", klines(), ["as prices do", "--kind spot or perp"]),
    "candles as prints": ("funding", "a.json", ohlcv(), ["as prices do", "--kind spot or perp"]),
    "candles of a cheap coin as prints": (
        "funding",
        "a.csv",
        as_csv(CHEAP),
        ["as prices do", "--kind spot or perp"],
    ),
    "still candles of a dear coin as prints": (
        "funding",
        "a.csv",
        as_csv(STILL.assign(open=5, high=5, low=5, close=5)),
        ["as prices do"],
    ),
    "still candles with trades as prints": (
        "funding",
        "a.csv",
        as_csv(STILL.assign(volume=BARS["volume"])),
        ["as prices do"],
    ),
    **{
        f"candles in which only the {name} moves, as prints": (
            "funding",
            "a.csv",
            as_csv(STILL.assign(**{name: [0.5, 0.5, 0.6, 0.5, 0.5, 0.5]})),
            ["as prices do"],
        )
        for name in ("high", "low", "close")
    },
    "freqtrade's prints as bars": ("perp", "a.feather", freqtrade(), ["--kind funding"]),
    "freqtrade's other prints as bars": ("spot", "a.feather", freqtrade(None), ["--kind funding"]),
    "freqtrade's prints as bars, cut to closes": (
        "spot",
        "a.feather",
        freqtrade()[["date", "close"]],
        ["--kind funding"],
    ),
    "history of prints as bars": (
        "perp",
        "a.json",
        funding_history(),
        ["has no close, but fundingRate", "--kind funding"],
    ),
    "dump of prints as bars": ("spot", "a.csv", as_csv(print_dump()), ["--kind funding"]),
    "error of Binance": (
        "spot",
        "a.json",
        {"code": -1121, "msg": "Invalid symbol."},
        ["holds no rows", "Invalid symbol."],
    ),
    "error in a list": ("spot", "a.json", [{"code": -1003, "msg": "Too many"}], ["Too many"]),
    "error of Bybit": (
        "funding",
        "a.json",
        {"retCode": 10001, "retMsg": "params error", "result": {}},
        ["params error"],
    ),
    "wrapped rows": (
        "spot",
        "a.json",
        {"retCode": 0, "retMsg": "OK", "result": {"list": klines()}},
        ["holds no rows, but", "save the list in it alone"],
    ),
    "rows unlike each other": (
        "spot",
        "a.json",
        [*ohlcv(), {"close": 1}],
        ['its row 7, {"close": 1}, is unlike row 1'],
    ),
    "list without rows": ("spot", "a.json", [], ["holds no row"]),
    "object without keys": ("spot", "a.json", {}, ["holds no rows, but {}"]),
    "names without rows": ("spot", "a.csv", as_csv(BARS.iloc[:0]), ["holds no row"]),
    "parquet without rows": ("spot", "a.parquet", BARS.iloc[:0], ["holds no row"]),
    "nothing": ("spot", "a.csv", "", ["is empty"]),
    "spaces": ("spot", "a.json", " \r\n ", ["is empty"]),
    "packed nothing": ("spot", "a.json.gz", gzip.compress(b""), ["is empty"]),
    "cut JSON": ("spot", "a.json", json.dumps(klines())[:-30], ["is cut off"]),
    "JSON cut after a row": (
        "spot",
        "a.json",
        json.dumps(ohlcv()).rsplit(", [", 1)[0] + ",",
        ["is cut off"],
    ),
    "JSON without its last bracket": ("spot", "a.json", json.dumps(ohlcv())[:-1], ["is cut off"]),
    "cut JSON lines": (
        "funding",
        "a.jsonl",
        "\n".join(map(json.dumps, funding_history()))[:-9],
        ["cannot be read", "Malformed JSON", "a.jsonl"],
    ),
    "broken JSON": ("spot", "a.json", "[[1,2,x],[3,4]]", ["cannot be read", "Malformed JSON"]),
    "cut gzip": (
        "spot",
        "a.csv.gz",
        gzip.compress(as_csv(klines()).encode())[:-20],
        ["cannot be unpacked"],
    ),
    "cut zip": ("spot", "a.zip", zipped(dump=as_csv(klines()))[:-30], ["cannot be unpacked"]),
    "row with a cell too few": (
        "spot",
        "a.csv",
        as_csv(BARS).rsplit(",", 1)[0],
        ["CSV Error on Line: 7"],
    ),
    "quote that is not closed": (
        "spot",
        "a.csv",
        as_csv(BARS, quoting=1)[:-3],
        ["a quote that is not closed"],
    ),
    "letters of another encoding": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(note="é")).encode("latin-1"),
        ["is not a CSV file"],
    ),
    "UTF-16": ("spot", "a.csv", as_csv(BARS).encode("utf-16"), ["is UTF-16 text", "UTF-8"]),
    "no table at all": ("spot", "a.bin", bytes(range(128, 256)), ["is not a CSV file"]),
    "text": ("spot", "a.txt", "to whom it may concern", ["it has to whom it may concern"]),
    "web page": ("spot", "a.csv", "<!doctype html><html>", ["is a web page"]),
    "feather of version 1": ("spot", "a.feather", b"FEA1" + bytes(50), ["feather of version 1"]),
    "HDF5": ("spot", "a.h5", b"\x89HDF\r\n\x1a\n", ["is HDF5", "convert it"]),
    "broken feather": ("spot", "a.feather", b"ARROW1\0\0" + bytes(50), ["cannot be read"]),
    "workbook": ("spot", "a.xlsx", zipped(**{"xl/workbook.xml": ""}), ["is an Excel workbook"]),
    "zip of several": ("spot", "a.zip", zipped(a="1", b="2"), ["holds a.csv, b.csv, not one"]),
    "zip of nothing": ("spot", "a.zip", zipped(), ["holds nothing"]),
    **{
        f"{column} of {value}": (
            "spot",
            "a.csv",
            cell(column, value),
            [f"row 3 has the {column} {value}, which is {fault}", "mend or drop the row"],
        )
        for column, value, fault in [
            ("close", "0.0", "not above 0"),
            ("close", "-1.5", "not above 0"),
            ("open", "0.0", "not above 0"),
            ("low", "-93600.5", "not above 0"),
            ("volume", "-0.5", "below 0"),
        ]
    },
    "high below low": (
        "spot",
        "a.csv",
        cell("high", 93000.5),
        ["row 3 has the high 93000.5 below its low 93489.03"],
    ),
    "time off the grid": (
        "spot",
        "a.csv",
        cell("timestamp", ms(TIMES)[2] + 90_000),
        ["row 3 opens at 2025-01-01 00:11:30", "multiple of 5m after 00:00 UTC"],
    ),
    "all times off the grid": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(timestamp=pd.date_range("2025-01-01 00:30", periods=6, freq="1h"))),
        ["row 1 opens at 2025-01-01 00:30:00", "multiple of 1h"],
    ),
    "days that begin in another zone": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(timestamp=pd.date_range("2025-01-01 16:00", periods=6, freq="1D"))),
        ["row 1 opens at 2025-01-01 16:00:00", "multiple of 1d"],
    ),
    "rates in percent, each small": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(funding_rate=[0.01, 0.01, 0.0021, -0.0032, 0.01, 0.0004])),
        ["has 3 of 6 rates at or beyond 0.5%", "give fractions"],
    ),
    "forecasts of every minute": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(timestamp=pd.date_range("2025-01-01 00:58", periods=6, freq="1min"))),
        ["has 4 of 6 prints that are not at a full hour, such as 2025-01-01 00:58:00"],
    ),
    "mark prices": (
        "perp",
        "a.csv",
        as_csv(BARS.assign(volume=0.0)),
        ["without volume, as mark, index and premium prices do", "bars of trades"],
    ),
    "index prices of CCXT": (
        "spot",
        "a.json",
        [[*row[:5], None] for row in ohlcv()],
        ["without volume, as mark, index and premium prices do"],
    ),
    "index closes": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(volume=0)[["timestamp", "close", "volume"]]),
        ["without volume"],
    ),
    "premium index": (
        "perp",
        "a.csv",
        as_csv(BARS.assign(open=3e-4, high=5e-4, low=-2e-4, close=-1e-4, volume=0)),
        ["without volume, as mark, index and premium prices do"],
    ),
    "premium index without volume": (
        "perp",
        "a.csv",
        as_csv(BARS.assign(open=3e-4, high=5e-4, low=-2e-4, close=1e-4).drop(columns="volume")),
        ["has prices on both sides of 0, as a premium index has"],
    ),
    **{
        f"columns in the order of {exchange}": (
            "spot",
            "a.json",
            [[row[place] for place in order] for row in ohlcv()],
            ["its columns are not timestamp, open, high, low, close, volume", "header"],
        )
        for exchange, order in {
            "Bitfinex": (0, 1, 4, 2, 3, 5),
            "Coinbase": (0, 3, 2, 1, 4, 5),
        }.items()
    },
    "Kraken's amounts": (
        "funding",
        "a.json",
        [
            {"timestamp": f"{time:%Y-%m-%dT%H:%M:%S.000Z}", "fundingRate": rate}
            for time, rate in zip(PRINT_TIMES, PRINTS["funding_rate"], strict=True)
        ],
        ["has the layout of Kraken Futures", "relativeFundingRate", "if it is a fraction"],
    ),
    "amounts of many dollars": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(funding_rate=PRINTS["funding_rate"] * 95_000 / 100)),
        ["amounts per contract"],
    ),
    "two rates": (
        "funding",
        "a.csv",
        as_csv(PRINTS.assign(rate=PRINTS["funding_rate"])),
        ["has several rates, funding_rate and rate"],
    ),
    "two times": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(open_time=[*TIMES[:3], *(TIMES[3:] + pd.Timedelta("5min"))])),
        ["row 4 has different times in timestamp and open_time"],
    ),
    "a time and one that is empty": (
        "spot",
        "a.csv",
        as_csv(BARS.assign(date=None)),
        ["row 1 has different times in timestamp and date"],
    ),
    "two closes in JSON": (
        "spot",
        "a.json",
        [
            dict(zip(["timestamp", "close", "Close"], [time, 1.5, 1.5], strict=True))
            for time in ms(TIMES)
        ],
        ["several columns named close or Close"],
    ),
    "two closes in rows of JSON": (
        "spot",
        "a.jsonl",
        f'{{"timestamp": {ms(TIMES)[0]}, "close": 1}}\n{{"timestamp": {ms(TIMES)[1]}, "Close": 1}}',
        ["several columns named close or Close"],
    ),
    "a key twice": (
        "spot",
        "a.jsonl",
        f'{{"timestamp": {ms(TIMES)[0]}, "close": 1, "close": 2}}',
        ["several columns named close"],
    ),
    **{
        f"two closes in {form}": (
            "spot",
            f"a.{form}",
            packed_table(form, timestamp=ms(TIMES), close=[1.5] * 6, Close=[1.5] * 6),
            ["several columns named close or Close"],
        )
        for form in ("parquet", "feather")
    },
    "a close within another column": (
        "spot",
        "a.parquet",
        packed_table("parquet", timestamp=ms(TIMES), source=[{"close": 1.5}] * 6),
        ["has no column close"],
    ),
    "a close within another key": (
        "spot",
        "a.json",
        [{"timestamp": time, "info": {"close": 1.5}} for time in ms(TIMES)],
        ["has no column close"],
    ),
    "a close of several parts": (
        "spot",
        "a.json",
        [{"timestamp": time, "close": {"bid": 1.5}} for time in ms(TIMES)],
        ["row 1 has the close '{", "no number"],
    ),
    "candles of Hyperliquid": (
        "perp",
        "a.json",
        [{"t": time, "T": time + 299_999, "c": "1.5"} for time in ms(TIMES)],
        ["several columns named t or T"],
    ),
    "rows in an object": (
        "perp",
        "a.json",
        {"result": "success", "candles": [{"time": 1, "close": "1"}], "more_candles": False},
        ["holds no rows, but", "save the list in it alone"],
    ),
    "columns as lists": (
        "perp",
        "a.json",
        {"timestamp": ms(TIMES), "close": [1.5] * 6, "status": "ok"},
        ["holds no rows, but"],
    ),
    "a formula": ("spot", "a.csv", cell("close", "=1+1"), ["row 3 has the close '=1+1'"]),
    "a colour": (
        "spot",
        "a.csv",
        cell("close", "\x1b[31m1"),
        [r"row 3 has the close '\x1b[31m1', no number"],
    ),
    "a line break": ("spot", "a.csv", cell("close", "1\n2"), [r"row 3 has the close '1\n2', no"]),
    "a colour in a name": (
        "spot",
        "a.csv",
        as_csv(BARS.rename(columns={"close": "\x1b[31mc"})),
        [r"has no column close: it has timestamp, open, high, low, \x1b[31mc"],
    ),
    "one bar": ("spot", "a.csv", as_csv(BARS.iloc[:1]), ["has a single bar"]),
    "one bar, twice": ("spot", "a.json", ohlcv()[:1] * 2, ["has a single bar"]),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_imported_is_refused_with_what_was_found(
    call: Call, tmp_path: Path, fault: str
) -> None:
    kind, name, content, words = REFUSED[fault]
    path = store(tmp_path / name, content)
    line = refusal(call, tmp_path, path, kind=kind)
    assert line.startswith(f"error: {path}: ")
    for word in words:
        assert word in line
    assert line.isprintable()
    # what was found, then the remedy
    assert re.fullmatch(r".+[:.] .+\.", line.removeprefix(f"error: {path}: "))
    assert not out(tmp_path).exists()


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_binary_files_that_are_cut_off(call: Call, tmp_path: Path, ending: str) -> None:
    path = store(tmp_path / f"bars.{ending}", BARS)
    path.write_bytes(path.read_bytes()[:-100])
    assert f"error: {path}: " in refusal(call, tmp_path, path)


def test_files_are_paths_and_no_patterns(call: Call, tmp_path: Path) -> None:
    store(tmp_path / "bars.csv", as_csv(BARS))
    assert "is no file" in refusal(call, tmp_path, tmp_path / "*.csv")
    assert "is a folder" in refusal(call, tmp_path, tmp_path)
    assert "is no file" in refusal(call, tmp_path, Path("/dev/null"))


def test_a_file_that_may_not_be_read(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as a user who may read all."""
    path = store(tmp_path / "bars.csv", as_csv(BARS))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(market_files, "first_bytes", refuse)
    assert refusal(call, tmp_path, path) == (
        f"error: {path}: cannot be read (Permission denied): check its rights."
    )


def test_a_files_name_is_shown_and_not_obeyed(call: Call, tmp_path: Path) -> None:
    path = store(tmp_path / "a\x1b[31m\nb.csv", as_csv(BARS))
    _, stdout, stderr = call(path)
    assert stdout
    assert all(line.isprintable() for line in stderr)
    assert stderr[0].startswith(f"{tmp_path}/a\\x1b[31m b.csv: OHLCV CSV, ")
    line = refusal(call, tmp_path, store(path, cell("close", "n/a")))
    assert line.startswith(f"error: {tmp_path}/a\\x1b[31m b.csv: row 3")


SYMBOLS = [
    "BTCUSDT",
    "btcusdt",
    "BTC/USDT",
    "BTC/USDT:USDT",
    "BTC-USDT",
    "BTC_USDT",
    "BTC-USDT-SWAP",
    "BTCUSDT-PERP",
    "BTCUSDT_PERP",
    " BTCUSDT ",
]


@pytest.mark.parametrize(
    ("found", "asked"),
    [(symbol, "BTC/USDT:USDT") for symbol in SYMBOLS]
    + [("BTC-USDT-SWAP", symbol) for symbol in SYMBOLS],
)
def test_spellings_of_a_pair_are_one(call: Call, tmp_path: Path, found: str, asked: str) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS.assign(Symbol=found)))
    _, stdout, stderr = call(path, symbol=asked)
    assert Path(stdout[0]).name == "imported_spot_BTCUSDT_5m.parquet"
    assert_rows(stdout[0], BARS)
    assert "left out" not in "".join(stderr)


def test_a_row_without_symbol_is_of_the_pair_that_is_asked_for(call: Call, tmp_path: Path) -> None:
    frame = BARS.assign(symbol=["BTCUSDT", None, "", " ", "BTCUSDT", "BTCUSDT"])
    _, stdout, _ = call(store(tmp_path / "bars.parquet", frame))
    assert_rows(stdout[0], BARS)


def test_rows_of_other_symbols_are_left_out_and_counted(call: Call, tmp_path: Path) -> None:
    other = BARS.assign(symbol="ETH/USDT", close="n/a")
    frame = pd.concat([BARS.assign(symbol="BTC/USDT").astype({"close": str}), other.iloc[:4]])
    _, stdout, stderr = call(store(tmp_path / "bars.csv", as_csv(frame)))
    assert stderr[0].endswith("00:00 to 2025-01-01 00:25, 4 rows of ETH/USDT left out")
    assert_rows(stdout[0], BARS)


def test_a_fault_is_named_by_its_row_in_the_file(call: Call, tmp_path: Path) -> None:
    other = BARS.assign(symbol="ETHUSDT")
    frame = pd.concat([other, BARS.assign(symbol="BTCUSDT", close="?")])
    line = refusal(call, tmp_path, store(tmp_path / "bars.csv", as_csv(frame)))
    assert "row 7 has the close '?'" in line


@pytest.mark.parametrize(
    ("found", "asked", "words"),
    [
        (["ETHUSDT", "SOLUSDT"], "BTCUSDT", "has rows of ETHUSDT, SOLUSDT, not of BTCUSDT"),
        (["1000PEPEUSDT"], "PEPEUSDT", "1000x contract must be divided by 1000"),
        (["PEPEUSDT"], "1000PEPEUSDT", "has rows of PEPEUSDT, not of 1000PEPEUSDT"),
        (["BTCUSDC"], "BTCUSDT", "has rows of BTCUSDC"),
    ],
)
def test_other_symbols_are_refused(
    call: Call, tmp_path: Path, found: list[str], asked: str, words: str
) -> None:
    frame = BARS.assign(symbol=[found[row % len(found)] for row in range(len(BARS))])
    line = refusal(call, tmp_path, store(tmp_path / "bars.csv", as_csv(frame)), symbol=asked)
    assert words in line


NO_SYMBOLS = [
    "BTCUSDT,ETHUSDT",
    "BTC USDT",
    "../BTCUSDT",
    "BTC..USDT",
    ".BTCUSDT",
    "B'; drop table source; --",
    "{{ var('x') }}",
    "<b>BTC</b>",
    "BTC\nUSDT",
    "BTC\x1b[31mUSDT",
    "=BTCUSDT",
    "BTC\u202eUSDT",
]


@pytest.mark.parametrize("symbol", ["", " ", "/", *NO_SYMBOLS, "X" * 5_000, "=" * 5_000])
def test_a_symbol_that_is_none(call: Call, tmp_path: Path, symbol: str) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    line = refusal(call, tmp_path, path, symbol=symbol)
    assert line.startswith("error: --symbol")
    assert line.isprintable()
    assert len(line) < 600


@pytest.mark.parametrize("symbol", NO_SYMBOLS)
def test_a_symbol_in_a_file_that_is_none(call: Call, tmp_path: Path, symbol: str) -> None:
    frame = BARS.assign(symbol=["BTCUSDT"] * 5 + [symbol])
    line = refusal(call, tmp_path, store(tmp_path / "bars.parquet", frame))
    assert "a symbol is " in line
    assert line.isprintable()


def test_wide_letters_are_the_narrow_ones(call: Call, tmp_path: Path) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS.assign(symbol="ＢＴＣＵＳＤＴ")))
    for symbol in ("BTCUSDT", "ＢＴＣＵＳＤＴ"):
        _, stdout, _ = call(path, symbol=symbol)
        assert_rows(stdout[0], BARS)
    assert written(tmp_path) == ["imported_spot_BTCUSDT_5m.parquet"]


@pytest.mark.parametrize(
    ("column", "found", "asked", "is_it"),
    [
        ("instId", "BTC-USDT-SWAP", "BTCUSDT", True),
        ("instId", "ETH-USDT-SWAP", "BTCUSDT", False),
        ("coin", "BTC", "BTCUSDT", True),
        ("coin", "BTC", "BTC", True),
        ("coin", "ETH", "BTCUSDT", False),
        ("coin", "BTC", "BTCDOMUSDT", False),
    ],
)
def test_exchanges_name_the_pair_in_columns_of_their_own(
    call: Call, tmp_path: Path, column: str, found: str, asked: str, is_it: bool
) -> None:
    path = store(tmp_path / "prints.csv", as_csv(PRINTS.assign(**{column: found})))
    if is_it:
        _, stdout, _ = call(path, kind="funding", symbol=asked)
        assert_rows(stdout[0], PRINTS, symbol=asked)
    else:
        line = refusal(call, tmp_path, path, kind="funding", symbol=asked)
        assert f"has rows of {found}, not of {asked}" in line


def test_files_of_one_call_are_one_import(call: Call, tmp_path: Path) -> None:
    paths = [
        store(tmp_path / "b.csv", as_csv(BARS.iloc[4:])),
        store(tmp_path / "a.json", klines()[:3]),
        # a row alone: the others tell the size of its bar
        store(tmp_path / "c.feather", BARS.iloc[3:4]),
    ]
    _, stdout, stderr = call(*paths)
    assert [line.split(": ")[0] for line in stderr[:3]] == [str(path) for path in paths]
    assert len(stderr) == 4
    assert_rows(stdout[0], BARS)


def test_one_bad_file_refuses_the_import_and_leaves_what_was_there(
    call: Call, tmp_path: Path
) -> None:
    good = store(tmp_path / "good.csv", as_csv(BARS.iloc[:4]))
    bad = store(tmp_path / "bad.csv", cell("close", "n/a"))
    assert f"error: {bad}: row 3" in refusal(call, tmp_path, good, bad)
    assert not out(tmp_path).exists()
    call(good)
    more = store(tmp_path / "more.csv", as_csv(BARS.iloc[3:]))
    # compares the bytes of what is there
    assert f"error: {bad}: row 3" in refusal(call, tmp_path, more, bad)
    assert written(tmp_path) == ["imported_spot_BTCUSDT_5m.parquet"]


def test_bars_of_two_sizes_are_refused(call: Call, tmp_path: Path) -> None:
    hours = BARS.assign(timestamp=pd.date_range(TIMES[0], periods=6, freq="1h"))
    paths = store(tmp_path / "5m.csv", as_csv(BARS)), store(tmp_path / "1h.csv", as_csv(hours))
    line = refusal(call, tmp_path, *paths)
    assert line.startswith(f"error: {paths[1]}: has bars of 1h, and {paths[0]} of 5m")


def test_of_rows_with_one_time_the_last_wins(call: Call, tmp_path: Path) -> None:
    wrong = [[*row[:5], 1.0] for row in ohlcv()]
    first = store(tmp_path / "z.json", [ohlcv()[0], wrong[1], *wrong[3:]])
    last = store(tmp_path / "a.json", [wrong[2], *ohlcv()[1:], ohlcv()[5]])
    _, stdout, stderr = call(first, last)
    assert_rows(stdout[0], BARS)
    assert stderr[2:] == [
        "imported_spot_BTCUSDT_5m.parquet written: 12 rows read, 6 new, 0 replaced a row with"
        " other values",
        "5 rows had the time of a later one with other values: the last was kept",
    ]


def test_an_import_extends_what_is_there_and_wins(call: Call, tmp_path: Path) -> None:
    stale = BARS.assign(volume=1.0).iloc[:4]
    call(store(tmp_path / "old.csv", as_csv(stale)))
    mended = BARS.iloc[2:]
    _, stdout, stderr = call(store(tmp_path / "new.csv", as_csv(mended)))
    assert stderr[-1] == (
        "imported_spot_BTCUSDT_5m.parquet extended: 4 rows read, 2 new, 2 replaced a row with"
        " other values"
    )
    assert_rows(stdout[0], pd.concat([stale.iloc[:2], mended]))
    before = Path(stdout[0]).read_bytes()
    _, stdout, stderr = call(tmp_path / "new.csv")
    assert "4 rows read, 0 new, 0 replaced" in stderr[-1]
    assert Path(stdout[0]).read_bytes() == before


def test_a_single_bar_extends_what_is_there(call: Call, tmp_path: Path) -> None:
    call(store(tmp_path / "old.csv", as_csv(BARS.iloc[:5])))
    _, stdout, _ = call(store(tmp_path / "new.csv", as_csv(BARS.iloc[5:])))
    assert_rows(stdout[0], BARS)


def test_a_single_bar_may_belong_to_neither_of_two_files(call: Call, tmp_path: Path) -> None:
    call(store(tmp_path / "5m.csv", as_csv(BARS)))
    hours = BARS.assign(timestamp=pd.date_range(TIMES[0], periods=6, freq="1h"))
    call(store(tmp_path / "1h.csv", as_csv(hours)))
    line = refusal(call, tmp_path, store(tmp_path / "new.csv", as_csv(BARS.iloc[5:])))
    assert "has a single bar" in line


def test_volume_may_come_from_some_files_only(call: Call, tmp_path: Path) -> None:
    bare = BARS.drop(columns="volume")
    call(store(tmp_path / "old.csv", as_csv(bare.iloc[:3])))
    _, stdout, _ = call(store(tmp_path / "new.csv", as_csv(BARS.iloc[3:])))
    assert_rows(stdout[0], BARS.assign(volume=BARS["volume"].where(BARS.index >= 3)))


def test_prices_must_come_from_all_files_or_none(call: Call, tmp_path: Path) -> None:
    """A run takes a price that is missing in a bar for a fault."""
    whole = store(tmp_path / "whole.csv", as_csv(BARS))
    bare = store(tmp_path / "bare.csv", as_csv(BARS[["timestamp", "close"]]))
    line = refusal(call, tmp_path, whole, bare)
    assert line.startswith(f"error: {bare}: has no open, and {whole} has: ")
    call(bare)
    held = out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet"
    line = refusal(call, tmp_path, whole)
    assert line.startswith(f"error: {held}: has no open, and {whole} has: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BARS, ["it has timestamp, open, high", "move it away"]),
        (BARS.assign(symbol="BTCUSDT", mark=1.0), ["it has", "mark"]),
        (BARS.assign(symbol="BTCUSDT", close="1"), ["it has"]),
        (BARS.assign(symbol="BTCUSDT", timestamp=1), ["it has"]),
        (BARS[["timestamp"]].assign(symbol="BTCUSDT"), ["it has timestamp, symbol"]),
        (PRINTS.assign(symbol="BTCUSDT"), ["funding_rate"]),
        (BARS.assign(symbol="ETHUSDT"), ["has rows of ETHUSDT, not of BTCUSDT"]),
        (BARS.iloc[:0].assign(symbol="ETHUSDT"), ["move it away"]),
        ("timestamp,close", ["cannot be read", "move it away"]),
    ],
    ids=[
        "no symbol",
        "more",
        "text",
        "integers",
        "no close",
        "prints",
        "other pair",
        "empty",
        "CSV",
    ],
)
def test_a_file_that_is_no_import_is_left_alone(
    call: Call, tmp_path: Path, content: object, words: list[str]
) -> None:
    held = store(out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet", content)
    line = refusal(call, tmp_path, store(tmp_path / "bars.csv", as_csv(BARS)))
    assert line.startswith(f"error: {held}: ")
    for word in words:
        assert word in line


def test_pairs_of_other_scripts_have_files_of_their_own(call: Call, tmp_path: Path) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    symbols = ["龙虾USDT", "币安USDT", "币安人生USDT", "हिंदीUSDT", "हदUSDT", "ßUSDT", "SSUSDT"]
    for symbol in symbols:
        _, stdout, _ = call(path, symbol=symbol)
        assert_rows(stdout[0], BARS, symbol=symbol)
    assert len(written(tmp_path)) == len(symbols)
    assert "imported_spot_%E9%BE%99%E8%99%BEUSDT_5m.parquet" in written(tmp_path)


def test_the_sample_makes_way_and_that_is_said(call: Call, tmp_path: Path) -> None:
    samples = [store(out(tmp_path) / name, BARS) for name in sample_data.FILE_NAMES]
    bad = store(tmp_path / "bad.csv", cell("close", "n/a"))
    refusal(call, tmp_path, bad)
    _, _, stderr = call(store(tmp_path / "bars.csv", as_csv(BARS)))
    assert stderr[2:] == [
        f"{sample} removed: invented data would mix with real ones" for sample in samples
    ]
    assert written(tmp_path) == ["imported_spot_BTCUSDT_5m.parquet"]


def test_a_folder_that_cannot_be_written_to(call: Call, tmp_path: Path) -> None:
    out(tmp_path).write_text("in the way")
    code, stdout, stderr = call(store(tmp_path / "bars.csv", as_csv(BARS)))
    assert (code, stdout, len(stderr)) == (2, [], 1)
    assert stderr[0].startswith(f"error: --out: {out(tmp_path)} cannot be written to (")
    assert stderr[0].endswith("): choose another folder.")


MANY = 20_000
NUMBERS = list(range(MANY))
KEYS = [f"column {place}" for place in NUMBERS]


def repeated_gzip(piece: bytes, times: int) -> bytes:
    """Return a gzip of which each member is the same."""
    return gzip.compress(piece) * times


def long_parquet(_: Path) -> bytes:
    """Return a small parquet file of many rows."""
    with duckdb.connect() as connection, tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        connection.execute(
            f"copy (select 1735689600000 as timestamp, 1.5 as close from range(20000001))"
            f" to '{file.name}' (row_group_size 10000000)"
        )
        return Path(file.name).read_bytes()


def sparse(path: Path, head: bytes, tail: bytes = b"") -> None:
    """Write a file of 5 GB that takes no room."""
    with path.open("wb") as file:
        file.write(head)
        file.seek(5 << 30)
        file.write(tail or b"\n")


# how a file is written, and words of its refusal
BOUNDED: dict[str, tuple[Callable[[Path], object], str]] = {
    "CSV of many columns": (
        lambda _: ",".join(["timestamp", "close", *KEYS]) + "\n" + ",".join(map(str, NUMBERS)),
        "has more than 1,000 columns",
    ),
    "parquet of many columns": (
        lambda _: packed_table("parquet", **{key: [1] for key in KEYS}),
        "has more than 1,000 columns",
    ),
    "feather of many columns": (
        lambda _: packed_table("feather", **{key: [1] for key in KEYS}),
        "has more than 1,000 columns",
    ),
    "JSON of many keys": (lambda _: [dict.fromkeys(KEYS, 1)] * 3, "has more than 1,000 columns"),
    "JSON of a key a row": (
        lambda _: [{"timestamp": 1735689600000, "close": 1, key: 1} for key in KEYS],
        "has more than 1,000 columns",
    ),
    "JSON of long rows": (lambda _: [NUMBERS] * 3, "has 20000 columns and no names"),
    "deep JSON": (lambda _: "[" * 100_000 + "]" * 100_000, "has 1 columns and no names"),
    "deep JSON objects": (lambda _: '{"a":' * 100_000 + "1" + "}" * 100_000, "holds no rows"),
    "deep JSON that is not closed": (lambda _: "[" * 100_000, "is cut off"),
    "endless first line": (lambda _: "1," * 50_000_000, "has a line of more than 1 MB"),
    "endless line": (
        lambda _: "timestamp,close\n" + "1" * 100_000_000,
        "has a line of more than 1 MB",
    ),
    "endless quote": (
        lambda _: 'timestamp,close\n"' + "1\n" * 5_000_000,
        "a quote that is not closed",
    ),
    "long JSON row": (
        lambda _: [{"timestamp": 1735689600000, "close": "1" * 100_000_000}],
        "has a row of more than 16 MB",
    ),
    "NUL bytes": (lambda _: cell("close", "9\0"), "holds NUL bytes"),
    "NUL bytes in JSON": (lambda _: json.dumps(ohlcv()) + "\0", "holds NUL bytes"),
    "UTF-16": (lambda _: as_csv(BARS).encode("utf-16"), "is UTF-16 text: save it as UTF-8"),
    "UTF-16 without mark": (lambda _: as_csv(BARS).encode("utf-16-le"), "holds NUL bytes"),
    "UTF-16 JSON": (lambda _: json.dumps(ohlcv()).encode("utf-16"), "is UTF-16 text"),
    "gzip bomb": (
        lambda _: repeated_gzip(b"0" * 10_000_000, 300),
        "more than 100 times its size",
    ),
    "gzip bomb of rows": (
        lambda _: repeated_gzip(b"1735689600000,1.5\n" * 600_000, 300),
        "more than 100 times its size",
    ),
    "parquet of many rows": (long_parquet, "has 20,000,001 rows"),
    "parquet with a huge footer": (
        lambda _: b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1",
        "lists its columns and row groups in 2,147 MB",
    ),
    "huge CSV": (
        lambda path: sparse(path, as_csv(BARS).encode()),
        "has 5.4 GB, and at most 4.3 GB are read",
    ),
    "huge workbook": (
        lambda path: sparse(path, b"PK\x03\x04", b"xl/workbook.xml"),
        "is an Excel workbook",
    ),
    "huge workbook of another program": (
        lambda path: sparse(path, b"PK\x03\x04 [Content_Types].xml"),
        "is an Excel workbook",
    ),
}


@pytest.mark.parametrize("form", BOUNDED)
def test_what_is_too_large_is_refused_soon(call: Call, tmp_path: Path, form: str) -> None:
    write, words = BOUNDED[form]
    path = tmp_path / "a.file"
    if (content := write(path)) is not None:
        store(path, content)
    start = process_time()
    line = refusal(call, tmp_path, path)
    assert process_time() - start < 3
    assert line.startswith(f"error: {path}: ")
    assert words in line
    assert len(line) < 500


@pytest.mark.parametrize("form", ["gzip bomb", "endless first line", "huge workbook"])
def test_what_is_too_large_does_not_fill_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.file"
    if (content := BOUNDED[form][0](path)) is not None:
        store(path, content)
    _, megabytes, _ = measured(path, "--kind", "spot", "--symbol", "BTCUSDT", "--out", tmp_path)
    assert megabytes < 400


def test_many_files_are_refused_before_any_is_read(call: Call, tmp_path: Path) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    line = refusal(call, tmp_path, *[path] * 5_001)
    assert "5,001 files were given, and at most 5,000 are imported at once" in line


def test_deep_values_beside_the_rows_do_no_harm(call: Call, tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    rows = ",".join(f'{{"timestamp": {at}, "close": 1.5, "info": {deep}}}' for at in ms(TIMES))
    _, stdout, _ = call(store(tmp_path / "a.json", f"[{rows}]"))
    assert table(stdout[0])["close"].tolist() == [1.5] * 6


def command(*arguments: object) -> subprocess.CompletedProcess:
    """Run the real command."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.import_data", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_stdout_is_the_path_and_all_else_is_on_stderr(tmp_path: Path) -> None:
    path = store(tmp_path / "o'brien's bars.csv", as_csv(BARS))
    folder = tmp_path / "a new [folder]" / "of it's own"
    done = command(path, "--kind", "perp", "--symbol", "BTC/USDT:USDT", "--out", folder)
    assert (done.returncode, done.stdout) == (0, f"{folder}/imported_perp_BTCUSDT_5m.parquet\n")
    assert len(done.stderr.splitlines()) == 2
    again = command(path, "--kind", "perp", "--symbol", "BTCUSDT", "--out", folder)
    assert "extended: 6 rows read, 0 new" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv", "--kind", "spot", "--symbol", "BTCUSDT"], "nowhere.csv: is no file"),
        (["nowhere.csv", "--kind", "swap", "--symbol", "BTCUSDT"], "invalid choice: 'swap'"),
        (["nowhere.csv", "--kind", "spot"], "--symbol"),
        (["nowhere.csv", "--symbol", "BTCUSDT"], "--kind"),
        (["--kind", "spot", "--symbol", "BTCUSDT"], "FILE"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert words in done.stderr


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_year_of_minutes_takes_seconds_and_less_than_a_gigabyte(
    tmp_path: Path, ending: str
) -> None:
    rows = 525_600
    source = tmp_path / f"year.{ending}"
    bar = (
        'printf(\'%d,"%.8f","%.8f","%.8f","%.8f","12.34500000",%d,"1234567.12345678",1234,'
        '"6.12345678","612345.12345678","0"\', 1735689600000 + i * 60000, 90000 + i * 0.01,'
        " 90010 + i * 0.01, 89990 + i * 0.01, 90001 + i * 0.01, 1735689659999 + i * 60000)"
    )
    with duckdb.connect() as connection:
        ((lines,),) = connection.execute(
            f"select list({bar} order by i) from range({rows}) as years (i)"
        ).fetchall()
    if ending == "json":
        source.write_text("[[" + "],[".join(lines) + "]]")
    else:
        source.write_text("\n".join(lines))
    seconds, megabytes, stderr = measured(
        source, "--kind", "spot", "--symbol", "BTCUSDT", "--out", tmp_path
    )
    assert f"{rows} rows read, {rows} new" in stderr, stderr
    assert seconds < 20
    assert megabytes < 1_000


def measured(*arguments: object) -> tuple[float, float, str]:
    """Run the real command; return its seconds, its megabytes at most, and its stderr."""
    # not ru_maxrss, which begins with what the process that runs the tests holds
    code = (
        "import re, time; from scripts.import_data import main; start = time.time();"
        " main(); seconds = time.time() - start;"
        " peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read());"
        " print(seconds, int(peak[1]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    seconds, megabytes = map(float, done.stdout.splitlines()[-1].split())
    return seconds, megabytes, done.stderr


IMPORT = [sys.executable, "-m", "scripts.import_data"]
OF_BTC = ["--kind", "spot", "--symbol", "BTCUSDT"]


def started(*arguments: object, **options: object) -> subprocess.Popen:
    """Start the real command."""
    return subprocess.Popen(
        [*IMPORT, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def many_bars(rows: int, close: float) -> pd.DataFrame:
    """Return a long history of one price."""
    times = pd.date_range("2025-01-01", periods=rows, freq="5min", tz="UTC")
    return pd.DataFrame({"timestamp": times, "close": close})


def test_six_imports_into_one_file_at_once_lose_no_row(tmp_path: Path) -> None:
    frame = many_bars(6_000, 1.5)
    frame["close"] += np.arange(len(frame)) % 1000
    paths = [
        store(tmp_path / f"{part}.parquet", frame[part * 1_000 : (part + 1) * 1_000])
        for part in range(6)
    ]
    running = [started(path, *OF_BTC, "--out", out(tmp_path)) for path in paths]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 6, ended
    assert_rows(out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet", frame)
    assert written(tmp_path) == ["imported_spot_BTCUSDT_5m.parquet"]


def test_an_import_waits_for_who_writes_to_the_folder_and_a_fetch_refuses(tmp_path: Path) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    out(tmp_path).mkdir()
    months = ["--symbol", "BTCUSDT", "--start", "2025-01", "--end", "2025-01"]
    with locked(out(tmp_path)):
        process = started(path, *OF_BTC, "--out", out(tmp_path))
        waiting = process.stderr.readline()
        assert waiting.startswith(f"{out(tmp_path)}: another import or fetch writes to it")
        fetch = subprocess.run(
            [sys.executable, "-m", "scripts.fetch", *months, "--out", out(tmp_path)]
            + ["--base-url", "http://127.0.0.1:9"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert fetch.returncode == 2
        assert "is writing to" in fetch.stderr
        assert process.poll() is None
        assert written(tmp_path) == []
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert_rows(stdout.strip(), BARS)


def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    here = {"env": os.environ | {"TMPDIR": str(scratch)}}
    rows = 60_000
    paths = [
        store(tmp_path / f"{place}.parquet", many_bars(rows, close))
        for place, close in enumerate((1.0, 2.0))
    ]
    start = monotonic()
    first = started(paths[0], *OF_BTC, "--out", out(tmp_path), **here)
    assert first.wait(timeout=60) == 0
    duration = monotonic() - start
    file = out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet"
    random = np.random.default_rng(1)
    was_killed = []
    for attempt in range(4):
        process = started(paths[(attempt + 1) % 2], *OF_BTC, "--out", out(tmp_path), **here)
        sleep(random.uniform(0.5, 1) * duration)
        process.kill()
        process.communicate()
        was_killed.append(process.returncode == -signal.SIGKILL)
        found = table(file)
        assert len(found) == rows
        assert found["close"].nunique() == 1
    assert any(was_killed)
    last = started(paths[1], *OF_BTC, "--out", out(tmp_path), **here)
    assert last.wait(timeout=60) == 0
    assert set(table(file)["close"]) == {2.0}
    assert written(tmp_path) == [file.name]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_can_read_are_no_failure(tmp_path: Path, stream: str) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    line = shlex.join([*IMPORT, str(path), *OF_BTC, "--out", str(out(tmp_path))])
    done = subprocess.run(
        ["sh", "-c", f"{line} {stream}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    file = out(tmp_path) / "imported_spot_BTCUSDT_5m.parquet"
    assert (done.returncode, done.stdout) == (0, f"{file}\n")


def test_an_interrupt_is_one_line_and_exit_130(tmp_path: Path) -> None:
    path = store(tmp_path / "bars.csv", as_csv(BARS))
    out(tmp_path).mkdir()
    with locked(out(tmp_path)):
        process = started(path, *OF_BTC, "--out", out(tmp_path))
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, "stopped; nothing was written\n")


# files of freqtrade, and the leg that they are
FREQTRADE = {
    "spot": "BTC_USDT-5m.feather",
    "perp": "futures/BTC_USDT_USDT-5m-futures.feather",
    "funding": "futures/BTC_USDT_USDT-8h-funding_rate.feather",
}
RAW = {
    "spot": "binance_spot_BTCUSDT_5m",
    "perp": "binance_perp_BTCUSDT_5m",
    "funding": "binance_funding_BTCUSDT",
}
COMMON_SPAN = "timestamp >= '2025-01-01' and timestamp < '2025-04-01'"


@pytest.fixture(scope="module")
def freqtrade_project(new_project: Callable[[], Project]) -> Project:
    """A project into which the files of freqtrade were imported, as its user does it."""
    project = new_project()
    for kind, name in FREQTRADE.items():
        done = project.run(
            MARKET_DATA / "freqtrade" / name,
            "--kind",
            kind,
            "--symbol",
            "BTCUSDT",
            module="scripts.import_data",
        )
        assert done.returncode == 0, done.stderr
    return project


@needs_market_data
@pytest.mark.parametrize("kind", ["spot", "perp"])
def test_freqtrades_closes_are_those_of_the_exchange(freqtrade_project: Project, kind: str) -> None:
    imported = freqtrade_project.root / "data" / "raw" / f"imported_{kind}_BTCUSDT_5m.parquet"
    closes = [
        table(path, f"where {COMMON_SPAN} order by timestamp")
        for path in (imported, MARKET_DATA / "raw" / f"{RAW[kind]}.parquet")
    ]
    assert len(closes[0]) == 90 * 288
    assert closes[0]["timestamp"].tolist() == closes[1]["timestamp"].tolist()
    assert closes[0]["close"].tolist() == closes[1]["close"].tolist()


@needs_market_data
def test_freqtrades_files_run_and_give_the_figures_of_the_exchanges(
    freqtrade_project: Project,
) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for kind, name in RAW.items():
            columns = "timestamp, fundingRate" if kind == "funding" else "*"
            connection.execute(
                f"copy (select {columns} from '{MARKET_DATA}/raw/{name}.parquet'"
                f" where {COMMON_SPAN})"
                f" to '{freqtrade_project.root}/data/raw/cut_{kind}_RAWUSDT.parquet'"
            )
    imported, expected = map(read_metrics, freqtrade_project.run_folders("--timeframe", "1h"))
    assert (imported["symbol"], expected["symbol"]) == ("BTCUSDT", "RAWUSDT")
    span = freqtrade_project.query(
        "select min(ts)::date::varchar, max(ts)::varchar from prices_merged"
        " where symbol = 'BTCUSDT'"
    )
    assert span.values.tolist() == [["2025-01-01", "2025-03-31 23:00:00"]]
    assert imported["sample"] == expected["sample"]
    assert imported["strategies"].keys() == expected["strategies"].keys()
    for name, figures in imported["strategies"].items():
        assert figures == pytest.approx(expected["strategies"][name], rel=1e-9, abs=1e-9)


@needs_market_data
@pytest.mark.parametrize(
    ("kind", "pattern", "rows"),
    [
        ("spot", "data/spot/monthly/klines/BTCUSDT/5m/*-2025-0[12].zip", 59 * 288),
        ("perp", "data/futures/um/monthly/klines/BTCUSDT/5m/*-2025-0[12].zip", 59 * 288),
        ("funding", "data/futures/um/monthly/fundingRate/BTCUSDT/*-2025-0[12].zip", 59 * 3),
    ],
)
def test_dump_zips_are_imported_as_they_lie(
    call: Call, tmp_path: Path, kind: str, pattern: str, rows: int
) -> None:
    zips = sorted((MARKET_DATA / "dumps").glob(pattern))
    assert len(zips) == 2
    _, stdout, stderr = call(*zips, kind=kind)
    assert f"{rows} rows read, {rows} new" in stderr[-1]
    span = "where timestamp >= '2025-01-01' and timestamp < '2025-03-01' order by timestamp"
    found = table(stdout[0])
    expected = table(MARKET_DATA / "raw" / f"{RAW[kind]}.parquet", span)
    for column in ("timestamp", "funding_rate" if kind == "funding" else "close"):
        known = "fundingRate" if column == "funding_rate" else column
        assert found[column].tolist() == expected[known].tolist()
