"""Look at the input files before a build, so that a refusal is quick and plain.

The SQL comes from macros/inputs and models/staging, rendered here as dbt renders it, so the
checks read what the models will read, and a macro's own refusal is raised as an InputError.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import duckdb
import jinja2

from scripts.command_line import number, one_line, say, whole_number
from scripts.database import connect, first_line, one_row
from scripts.project import ROOT, InputError, check_letter_case, check_name, default_vars

LEGS = ("spot", "perp", "funding")
# where each leg's rows stand, as dbt and as scripts.inputs name it
STAGING = {"spot": "stg_spot_bars", "perp": "stg_perp_bars", "funding": "stg_funding_prints"}
PARQUET_MAGIC = b"PAR1"
# the least that makes sense of a strategy's numbers
LEAST = {
    "vol_target": 1e-6,
    "rebalance_band": 0,
    "rebalance_every": 0,
    "min_trade": 0,
    "halflife": 1,
}


class Frame(NamedTuple):
    """The rows before a bar that a strategy needs at a timeframe, 0 where it needs none."""

    strategy: str
    timeframe: str
    rows: int


@dataclass(frozen=True)
class InputFile:
    """One symbol in one input file: a row of int_input_files."""

    leg: str
    symbol: str
    source_file: str
    input_rows: int
    usable_rows: int
    rows_without_time: int
    rows_on_grid: int
    first_ts: datetime | None
    last_ts: datetime | None
    smallest_bar_size_ms: int | None
    largest_bar_size_ms: int | None
    raw_step_ms: int | None


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Refuse inputs that no build could use; return the vars that the build is to be given.

    given are the vars that differ from the project's, with absolute paths. `symbol` is added
    where some files name no symbol and the others agree on one.

    Raises InputError on the first fault.
    """
    dbt_vars = default_vars() | given
    macros = input_macros(given)
    macros.check_vars()
    lengths_ms = json.loads(macros.timeframes_ms())
    timeframes = {name: lengths_ms[name] for name in json.loads(macros.built_timeframes())}
    legs = [leg for leg in LEGS if dbt_vars[leg]]
    with connect() as connection:
        seed = read_strategies(connection, macros, ROOT / "data/seeds/hedge_strategies.csv")
        strategies = list(dict.fromkeys(frame.strategy for frame in seed))
        if dbt_vars["strategy"] not in strategies:
            raise InputError(
                f"strategy {dbt_vars['strategy']} is not known: use one of"
                f" {' '.join(strategies)}, or add a row to data/seeds/hedge_strategies.csv."
            )
        longest_windows = longest_frames(seed)
        if dbt_vars["sweep"]:
            sweep = read_sweep(connection, macros, dbt_vars["sweep"], strategies)
            longest_windows = longest_frames([*seed, *sweep])
        for leg in legs:
            look_at_leg(connection, macros, leg, dbt_vars)
        files = input_files(connection, macros, legs, dbt_vars)
    check_symbols(files)
    named = {file.symbol for file in files} - {"UNKNOWN"}
    if len(named) == 1 and not dbt_vars["symbol"]:
        # one pair throughout: a file that names none is of that pair, too
        given = given | {"symbol": named.pop()}
        if any(file.symbol == "UNKNOWN" for file in files):
            return check(given)
    known = {file.symbol.casefold() for file in files}
    for symbol in filter(None, dbt_vars["symbol"].split(",")):
        if symbol.strip().casefold() not in known:
            raise InputError(f"--symbol: {symbol} is in no input: check its spelling.")
    for leg in legs:
        check_rows([file for file in files if file.leg == leg], timeframes)
    longest_accrual = timedelta(milliseconds=int(macros.longest_accrual_ms()))
    check_common_span(files, legs, timeframes, longest_windows, longest_accrual)
    return given


def input_macros(given: dict[str, Any]) -> ModuleType:
    """Return the macros of macros/inputs, with the vars given, as callables that return SQL."""

    def refuse(message: str) -> None:
        raise InputError(message)

    def call_or_refuse(message: str, function: Callable[..., object], *values: object) -> object:
        try:
            return function(*values)
        except Exception as error:
            raise InputError(message) from error

    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals.update(
        var=(default_vars() | given).__getitem__,
        invocation_args_dict={"vars": given},
        fromjson=json.loads,
        tojson=json.dumps,
        exceptions=SimpleNamespace(raise_compiler_error=refuse),
        try_or_compiler_error=call_or_refuse,
        modules=SimpleNamespace(datetime=SimpleNamespace(datetime=datetime)),
        # models are relations of the connection that looks at the files, under their own names
        ref=str,
    )
    sources = sorted((ROOT / "macros" / "inputs").glob("*.sql"))
    module: Any = environment.from_string("".join(path.read_text() for path in sources)).module
    # for the models that use them
    module.environment = environment
    macros: ModuleType = module  # the macros are its attributes, like a module's
    return macros


def model_sql(macros: ModuleType, name: str, **given: object) -> str:
    """Return the SQL of a model, whose refs are the models' own names; given as dbt would."""
    (path,) = (ROOT / "models").rglob(f"{name}.sql")
    context = {"config": lambda **_: "", "perp_is_proxy": lambda: False}
    template: jinja2.Template = macros.environment.from_string(path.read_text())
    return template.render(vars(macros) | context | given)


def check_symbols(files: list[InputFile]) -> None:
    """Refuse symbols that are no plain names, or one in two spellings, and a file as both legs."""
    for file in files:
        check_name(f"{file.source_file}: a symbol", file.symbol)
    check_letter_case("the symbols", (file.symbol for file in files))
    seen: dict[tuple[int, int], str] = {}
    for leg in ("spot", "perp"):
        of_leg = {}
        for path in dict.fromkeys(file.source_file for file in files if file.leg == leg):
            told = os.stat(path)
            of_leg[told.st_dev, told.st_ino] = path
        for node in of_leg.keys() & seen.keys():
            raise InputError(
                f"--perp: {of_leg[node]} is the file of --spot: give the perpetual's own bars, or"
                " leave --perp out."
            )
        seen |= of_leg


def read_strategies(
    connection: duckdb.DuckDBPyConnection, macros: ModuleType, path: Path
) -> list[Frame]:
    """Return the rows that the strategies of a CSV file need, by strategy and timeframe.

    Raises InputError for a row that no build could use.
    """
    pattern = literal_pattern(str(path))
    columns = json.loads(macros.strategy_columns())
    try:
        texts = connection.execute(f"from {macros.sweep_file_texts(pattern)}")
        found, rows = [column[0] for column in texts.description], texts.fetchall()
    except duckdb.Error as error:
        raise InputError(
            f"{path} cannot be read ({first_line(error)}): give a CSV with a header, commas, and"
            " as many cells in each row."
        ) from error
    if "strategy" not in found:
        raise InputError(f"{path} has no column strategy: name each row in one.")
    if unknown := [name for name in found if name not in columns]:
        raise InputError(
            f"{path} has a column {unknown[0]}: use those of data/seeds/hedge_strategies.csv"
            f" ({' '.join(columns)})."
        )
    if not rows:
        raise InputError(f"{path} holds no row: give a row for each strategy.")
    names = [(row[found.index("strategy")] or "").strip() for row in rows]
    if "" in names:
        raise InputError(f"{path}: row {names.index('') + 1} has no strategy: name it.")
    for name in names:
        check_name(f"{path}: a strategy", name)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path} has {twice} twice: give each row a name of its own.")
    check_letter_case(f"{path}: the strategies", names)
    for name, row in zip(names, rows, strict=True):
        for column, text in zip(found, row, strict=True):
            if text and text.strip():
                check_parameter(macros, path, name, column, text.strip())
    typed = model_sql(macros, "stg_sweep_rows", var={"sweep": pattern}.__getitem__)
    needed = connection.execute(
        f"select strategy, timeframe, {beta_rows(macros)}, {vol_rows(macros)},"
        " coalesce(is_vol_scaled and is_vol_budget, false)"
        f" from ({macros.timeframe_rows()}), ({typed})",
        window_vars(macros),
    ).fetchall()
    for name, timeframe, beta, volatility, is_both in needed:
        for column, least, rows_needed in (
            ("beta_window", 3, beta),
            ("vol_window", 2, volatility),
        ):
            if rows_needed is not None and rows_needed < least:
                raise InputError(
                    f"{path}: {column} of {name} is {rows_needed} bars of {timeframe}: give"
                    f" {least} or more."
                )
        if is_both:
            raise InputError(f"{path}: {name} is both is_vol_scaled and is_vol_budget: leave one.")
    return [
        Frame(name, timeframe, max(beta or 0, volatility or 0))
        for name, timeframe, beta, volatility, _ in needed
    ]


def read_sweep(
    connection: duckdb.DuckDBPyConnection, macros: ModuleType, pattern: str, panel: list[str]
) -> list[Frame]:
    """Return the rows that the strategies of a sweep need, by strategy and timeframe.

    Raises InputError for a file that no build could use, and for a name that the panel has.
    """
    paths = matches(connection, pattern)
    if not paths:
        raise InputError(f"--sweep: {pattern} is no file: check the path.")
    sweep = read_strategies(connection, macros, Path(paths[0]))
    in_panel = {name.casefold() for name in panel}
    for frame in sweep:
        if frame.strategy.casefold() in in_panel:
            raise InputError(
                f"--sweep: {paths[0]}: {frame.strategy} is a strategy of"
                " data/seeds/hedge_strategies.csv: give the row another name."
            )
    return sweep


def window_vars(macros: ModuleType) -> dict[str, str]:
    """Return the windows of strategies that have none of their own, by the var's name."""
    return {name: macros.window_var(name) for name in ("beta_window", "vol_window")}


def longest_frames(frames: Iterable[Frame]) -> dict[str, int]:
    """Return the most rows that are needed at each timeframe."""
    longest: dict[str, int] = {}
    for frame in frames:
        longest[frame.timeframe] = max(frame.rows, longest.get(frame.timeframe, 0))
    return longest


def beta_rows(macros: ModuleType) -> str:
    """Return the SQL of the rows that a strategy's slope needs, NULL without a slope."""
    rows = macros.window_rows("coalesce(beta_window, $beta_window)", "timeframe")
    return f"case when estimator not in ('none', 'naive', 'static') then {rows} end"


def vol_rows(macros: ModuleType) -> str:
    """Return the SQL of the rows that a strategy's volatility needs, NULL without one."""
    rows = macros.window_rows("coalesce(vol_window, $vol_window)", "timeframe")
    return f"case when is_vol_scaled or is_vol_budget then {rows} end"


def check_parameter(macros: ModuleType, path: Path, name: str, column: str, text: str) -> None:
    """Refuse a parameter of a strategy that cannot be read or makes no sense."""
    if column == "strategy":
        return
    kind = json.loads(macros.strategy_columns())[column]
    if column == "estimator":
        known = json.loads(macros.estimators())
        wanted, is_fit = f"one of {' '.join(known)}", text in known
    elif column in ("beta_window", "vol_window"):
        wanted = "rows, or a duration such as 30d"
        is_fit = re.fullmatch(r"\d{1,9}[dh]?", text, re.ASCII) is not None
    elif kind == "boolean":
        wanted, is_fit = "true or false", text.lower() in ("true", "false")
    else:
        is_whole, least = kind == "integer", LEAST[column]
        wanted = f"a {'whole ' if is_whole else ''}number from {least:g} up"
        try:
            value = whole_number(text) if is_whole else number(text)
            is_fit = least <= value < 1e9
        except argparse.ArgumentTypeError:
            is_fit = False
    if not is_fit:
        raise InputError(f"{path}: {column} of {name} is {text}: give {wanted}.")


def literal_pattern(path: str) -> str:
    """Return the pattern that matches a path alone, whatever is in its name."""
    return glob.escape(path)


def file_pattern(leg: str, path: str, base: Path) -> str:
    """Return an absolute pattern for a path or glob, a path that exists taken literally."""
    path = local_path(leg, path)
    absolute = base / path
    if is_file(leg, absolute, f"a parquet file, or a glob such as {path.rstrip('/')}/*.parquet"):
        return literal_pattern(str(absolute))
    if not glob.has_magic(path):
        raise InputError(f"--{leg}: {path} does not exist: check the path.")
    return str(absolute) if os.path.isabs(path) else f"{glob.escape(str(base))}/{path}"


def file_path(flag: str, path: str) -> str:
    """Return the absolute path of a file that a flag names, and that is there."""
    absolute = Path.cwd() / local_path(flag, path)
    if not is_file(flag, absolute, "a file"):
        raise InputError(f"--{flag}: {path} is no file: check the path.")
    return str(absolute)


def local_path(flag: str, path: str) -> str:
    """Return a path with the user's home filled in; raises InputError for an address."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
        raise InputError(
            f"--{flag}: {path} is an address, and only local files are read: download the file"
            " first, and give its path."
        )
    return os.path.expanduser(path)  # a home that does not exist is a name like any other


def is_file(flag: str, path: Path, wanted: str) -> bool:
    """Whether a path leads to a file; raises InputError where it leads to anything else."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(
            f"--{flag}: {path} cannot be opened ({error.strerror}): check the path and its"
            " permissions."
        ) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"--{flag}: {path} is a folder: give {wanted}.")
    if not stat.S_ISREG(mode):
        raise InputError(f"--{flag}: {path} is a pipe or a device: give a file.")
    return True


def matches(connection: duckdb.DuckDBPyConnection, pattern: str) -> list[str]:
    """Return the paths that match a pattern, as the models find them."""
    try:
        return [path for (path,) in connection.execute("from glob(?)", [pattern]).fetchall()]
    except duckdb.InvalidInputException as error:
        raise InputError(
            f"{pattern} matches a file whose name is not UTF-8: rename that file."
        ) from error


def states(given: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return what tells whether an input file is still the same: by path, of every input.

    The time of the last change of its node, which no program can set, is among them.
    """
    dbt_vars = default_vars() | given
    found: dict[str, tuple[int, ...]] = {}
    with connect() as connection:
        for pattern in filter(None, (dbt_vars[name] for name in (*LEGS, "sweep"))):
            for path in matches(connection, pattern):
                with contextlib.suppress(OSError):
                    told = os.stat(path)
                    found[path] = (
                        told.st_dev,
                        told.st_ino,
                        told.st_size,
                        told.st_mtime_ns,
                        told.st_ctime_ns,
                    )
    return found


def changed(before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]) -> str | None:
    """Return the first path that came, went or changed between two states, if there is one."""
    paths = sorted(before.keys() | after.keys())
    return next((path for path in paths if before.get(path) != after.get(path)), None)


def look_at_leg(
    connection: duckdb.DuckDBPyConnection, macros: ModuleType, leg: str, dbt_vars: dict[str, Any]
) -> None:
    """Give the connection a leg's rows under their name in staging, after a look at each file."""
    pattern = dbt_vars[leg]
    paths = matches(connection, pattern)
    if not paths:
        raise InputError(
            f"--{leg}: no file matches {pattern}: check the pattern, or make a sample with"
            " python -m scripts.sample_data."
        )
    for path in paths:
        try:
            check_is_parquet(path)
        except InputError as error:
            raise InputError(f"--{leg}: {error}") from error
    try:
        schemas = connection.execute(macros.file_schemas_query(pattern)).fetchall()
        layouts = json.loads(macros.layouts_of([json.loads(schema) for (schema,) in schemas]))
        select = model_sql(macros, STAGING[leg], input_layouts=lambda _: layouts)
        for layout in layouts:
            check_times(connection, macros, leg, layout)
        connection.execute(f"create view {STAGING[leg]} as {select}")
    except duckdb.Error as error:
        raise unreadable(leg, paths, pattern, error) from error


def input_files(
    connection: duckdb.DuckDBPyConnection,
    macros: ModuleType,
    legs: list[str],
    dbt_vars: dict[str, Any],
) -> list[InputFile]:
    """Return what the files of all legs hold, by the models' own SQL."""
    if "perp" not in legs:
        connection.execute(f"create view {STAGING['perp']} as from {STAGING['spot']} limit 0")
    try:
        for name in ("int_raw_marks", "int_raw_stretches", "int_raw_runs", "int_input_files"):
            connection.execute(f"create table {name} as {model_sql(macros, name)}")
    except duckdb.Error:
        for leg in legs:
            try:
                connection.execute(f"select max(hash(rows)) from {STAGING[leg]} as rows")
            except duckdb.Error as error:
                pattern = dbt_vars[leg]
                raise unreadable(leg, matches(connection, pattern), pattern, error) from error
        raise
    columns = ", ".join(field.name for field in fields(InputFile))
    rows = connection.execute(f"select {columns} from int_input_files").fetchall()
    files = sorted(
        (InputFile(*row) for row in rows),
        key=lambda file: (legs.index(file.leg), file.symbol, file.source_file),
    )
    for leg in legs:
        if not any(file.leg == leg for file in files):
            wanted = f" of {dbt_vars['symbol']}" if dbt_vars["symbol"] else ""
            raise InputError(
                f"--{leg}: {dbt_vars[leg]} holds no row{wanted}: check --symbol and the file."
            )
    return files


def unreadable(leg: str, paths: list[str], pattern: str, error: duckdb.Error) -> InputError:
    """Return the refusal of files that DuckDB could not read."""
    return InputError(
        f"--{leg}: {paths[0] if len(paths) == 1 else pattern} cannot be read"
        f" ({first_line(error)}): write the file again."
    )


def check_times(
    connection: duckdb.DuckDBPyConnection, macros: ModuleType, leg: str, layout: dict[str, Any]
) -> None:
    """Refuse files with two columns of times that differ by more than the time of day.

    A column with the day alone, as partitioned files have it, contradicts no other.
    """
    candidates = macros.print_time_columns() if leg == "funding" else macros.bar_time_columns()
    taken, *others = json.loads(macros.input_columns(layout, candidates)) or [None]
    for other in others:
        try:
            first, second = (
                macros.plausible_time(macros.time_expression(layout, column["name"]))
                for column in (taken, other)
            )
        except InputError:
            continue  # no time, whatever it is called
        differing = one_row(
            connection.execute(
                f"select count(*) from (select {first} as first, {second} as second"
                f" from {macros.parquet_files(layout['files'])})"
                " where abs(epoch_ms(first) - epoch_ms(second)) > 1000"
                " and second <> date_trunc('day', first)"
            )
        )[0]
        if differing:
            raise InputError(
                f"{layout['files'][0]}: its columns {taken['name']} and {other['name']} differ in"
                f" {differing} rows: drop the one that is not the bars' open time."
            )


def check_is_parquet(path: str) -> None:
    """Refuse a file that cannot be opened, is no parquet, or was cut off."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            file.seek(-min(4, file.seek(0, 2)), 2)
            tail = file.read(4)
    except OSError as error:
        reason = error.strerror
        raise InputError(f"{path} cannot be opened ({reason}): check its rights.") from error
    if head != PARQUET_MAGIC:
        raise InputError(f"{path} is not a parquet file: convert it to parquet.")
    if tail != PARQUET_MAGIC:
        raise InputError(f"{path} is cut off, its end is missing: write or download it again.")


def check_rows(files: list[InputFile], timeframes: dict[str, int]) -> None:
    """Refuse a leg without a usable row, with unreadable times, or of an unfit bar size."""
    for file in files:
        if file.rows_without_time:
            raise InputError(
                f"{file.source_file}: {file.rows_without_time} of {file.input_rows} rows have no"
                " time that can be read, of the years 2009 to 2099: mend or drop them."
            )
    for symbol in {file.symbol for file in files}:
        of_symbol = [file for file in files if file.symbol == symbol]
        leg, path = of_symbol[0].leg, of_symbol[0].source_file
        if not any(file.usable_rows for file in of_symbol):
            what = "rate" if leg == "funding" else "price"
            raise InputError(
                f"{path} has no usable {what} for {symbol}: all are null, not finite"
                f"{'' if leg == 'funding' else ' or not positive'}; check the file."
            )
        if leg == "funding":
            continue
        if of_symbol[0].raw_step_ms is None:
            raise InputError(f"{path} has a single bar of {symbol}: give a longer history.")
        if not any(file.rows_on_grid for file in of_symbol):
            raise InputError(
                f"{path}: no time of {symbol} is a multiple of {minutes(of_symbol[0].raw_step_ms)}"
                " after 00:00 UTC: give the bars' open times."
            )
        sizes = {
            size: file.source_file
            for file in of_symbol
            for size in (file.smallest_bar_size_ms, file.largest_bar_size_ms)
            if size
        }
        if len(sizes) > 1:
            raise InputError(
                f"--{leg}: {' and '.join(sorted(set(sizes.values())))}: bars of {symbol} of two"
                f" sizes ({' and '.join(minutes(size) for size in sizes)}): narrow the input to"
                " one size."
            )
        for timeframe_ms in timeframes.values():
            if timeframe_ms % of_symbol[0].raw_step_ms:
                raise InputError(
                    f"{path} has a bar every {minutes(of_symbol[0].raw_step_ms)}: --timeframe must"
                    f" be a multiple of that, and {minutes(timeframe_ms)} is not."
                )


def check_common_span(
    files: list[InputFile],
    legs: list[str],
    timeframes: dict[str, int],
    longest_windows: dict[str, int],
    longest_accrual: timedelta,
) -> None:
    """Refuse legs that share no symbol or no time, or fewer bars than the longest window.

    What is not evaluated beside what is, a symbol or a timeframe, is told on stderr.
    """
    symbols = {leg: {file.symbol for file in files if file.leg == leg} for leg in legs}
    shared = set.intersection(*symbols.values())
    if not shared:
        of_1000 = next((name for name in symbols["spot"] if f"1000{name}" in symbols[legs[-2]]), "")
        if of_1000:
            raise InputError(
                f"1000{of_1000} counts in 1000 coins of {of_1000}: divide the perp's prices by"
                f" 1000, and name it {of_1000} in its file's name or its column symbol."
            )
        found = "; ".join(f"{leg}: {' '.join(sorted(symbols[leg]))}" for leg in legs)
        raise InputError(
            f"no symbol is in every input ({found}): give files of one pair, or name it with"
            " --symbol where no column or file name does."
        )
    left_out = {
        symbol: f"it is only in {' and '.join(leg for leg in legs if symbol in symbols[leg])}"
        for symbol in set.union(*symbols.values()) - shared
    }
    refusals = {}
    for symbol in sorted(shared):
        spans = {leg: span(files, leg, symbol, longest_accrual) for leg in legs}
        for timeframe, timeframe_ms in timeframes.items():
            try:
                check_span(files, spans, symbol, timeframe_ms, longest_windows.get(timeframe, 0))
            except InputError as refusal:
                what = symbol if len(timeframes) == 1 else f"{symbol} at {timeframe}"
                refusals[what] = str(refusal)
    if len(refusals) == len(shared) * len(timeframes):
        raise InputError(next(iter(refusals.values())))
    for what, reason in sorted((left_out | refusals).items()):
        say(one_line(f"{what} is not evaluated: {reason}"))


def check_span(
    files: list[InputFile],
    spans: dict[str, tuple[datetime, datetime]],
    symbol: str,
    timeframe_ms: int,
    longest_window: int,
) -> None:
    """Refuse a symbol whose legs share no time, or fewer bars than the longest window."""
    start, end = (
        max(first for first, _ in spans.values()),
        min(last for _, last in spans.values()),
    )
    if start >= end:
        found = "; ".join(
            f"{leg}: {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
            for leg, (first, last) in spans.items()
        )
        raise InputError(f"the inputs of {symbol} share no time ({found}): give files of one span.")
    bars = {leg: times for leg, times in spans.items() if leg != "funding"}
    common = min(last for _, last in bars.values()) - max(first for first, _ in bars.values())
    most_bars = common // timedelta(milliseconds=timeframe_ms)
    # a return needs a bar before it, and one bar after the window is to be evaluated
    if most_bars < longest_window + 2:
        shortest = min(bars, key=lambda leg: bars[leg][1] - bars[leg][0])
        path = min(f.source_file for f in files if (f.leg, f.symbol) == (shortest, symbol))
        raise InputError(
            f"{path}: {symbol} has at most {most_bars} bars of {minutes(timeframe_ms)} in both"
            f" legs, and a window of {longest_window} rows needs {longest_window + 2}: give more"
            " data, or a smaller --beta_window and --vol_window (a row of hedge_strategies.csv"
            " or of --sweep may have its own)."
        )


def span(
    files: list[InputFile], leg: str, symbol: str, longest_accrual: timedelta
) -> tuple[datetime, datetime]:
    """Return when a leg's data of a symbol begin and end, the last bar or accrual included."""
    found = [file for file in files if (file.leg, file.symbol) == (leg, symbol)]
    # check_rows refuses a leg of bars without a step
    bar = timedelta(milliseconds=found[0].raw_step_ms or 0)
    last = longest_accrual if leg == "funding" else bar
    times = [ts for file in found for ts in (file.first_ts, file.last_ts) if ts]
    return min(times), max(times) + last


def minutes(milliseconds: int) -> str:
    """Return a duration in minutes, as a person writes it."""
    return f"{milliseconds / 60_000:g}m"
