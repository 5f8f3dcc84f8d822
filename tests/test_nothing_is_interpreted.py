"""Names, paths and cells of a user are literals: never Jinja, SQL, a pattern or another name."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from scripts import inputs, run
from scripts.project import InputError, check_letter_case, check_name, folder_name
from tests.conftest import ROOT, Project, read_metrics, write_parquet
from tests.test_bad_inputs import bars, change, good, prints, refusal
from tests.test_run import SMALL, write_legs

__all__ = ["good"]
PLAIN_NAMES = (
    "BTCUSDT", "龙虾USDT", "BTC/USDT:USDT", "BTC-PERP", "1000PEPE", "kPEPE", "XBT_26.DEC",
    "हिन्दीUSDT", "ŁÓDŹ", "A", "_x",
)  # fmt: skip
# what each could be taken for
OTHER_NAMES = {
    "Jinja": "{{ run_query('select 1') }}",
    "a Jinja comment": "{#",
    "SQL": "x'; drop table y; --",
    "a shell": "$(reboot)",
    "HTML": "<script>alert(1)</script>",
    "a flag": "-rf",
    "a hidden file": ".hidden",
    "the folder above": "A/../../etc",
    "a list": "BTCUSDT,ETHUSDT",
    "two words": "BTC USDT",
    "a line break": "BTC\nUSDT",
    "an escape sequence": "\x1b[31mBTC",
    "a letter in another form": "ＢＴＣＵＳＤＴ",
    "a letter and its mark apart": "E\u0301TH",
    "text from right to left": "BTC\u202eTDSU",
    "nothing that is seen": "BTC\u200bUSDT",
    "a pattern": "BTC*",
    "a home": "~root",
    "a variable": "%PATH%",
    "a formula": "=1+1",
    "digits of another script": "BTC٣٠",
    "nothing": "",
    "a mark alone": "\u0301",
    "a name too long": "龙" * 100,
}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_plain_names_of_any_script_are_names(name: str) -> None:
    check_name("--symbol", name)


@pytest.mark.parametrize("name", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_what_could_be_something_else_is_not_a_name(name: str) -> None:
    with pytest.raises(InputError, match=r"^--symbol is "):
        check_name("--symbol", name)


@pytest.mark.parametrize("names", [("BTCUSDT", "btcusdt"), ("STRAẞE", "Straße")])
def test_names_that_differ_in_letter_case_only(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="differ in letter case only"):
        check_letter_case("the symbols", names)


def test_the_sql_of_plain_names_agrees() -> None:
    """It knows no other forms of letters, which scripts.project rejects besides."""
    is_plain = inputs.input_macros({}).is_plain_name("$name")
    agreed = {**OTHER_NAMES}
    for name in ("a letter in another form", "a letter and its mark apart", "a name too long"):
        del agreed[name]
    with duckdb.connect() as connection:
        for name in (*PLAIN_NAMES, *agreed.values()):
            found = connection.execute(f"select {is_plain}", {"name": name}).fetchall()
            assert found == [(name in PLAIN_NAMES,)], name


def test_each_name_has_a_folder_of_its_own() -> None:
    names = ("龙虾USDT", "麻辣USDT", "BTC/USDT", "BTC:USDT", "BTC_USDT", "BTC-USDT", "BTC%2FUSDT")
    folders = {folder_name(name) for name in names}
    assert len(folders) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.%-]+", folder) for folder in folders)


def written_by(path: Path) -> str:
    """Return Jinja that writes a file when it is rendered."""
    return f"{{{{ run_query(\"copy (select 1) to '{path}'\") }}}}"


def test_a_symbol_in_a_cell_is_no_code(project: Project, tmp_path: Path) -> None:
    """The only symbol of the files once was a var, which dbt renders."""
    evil = tmp_path / "evil.csv"
    flags: list[object] = []
    for leg, frame in (("spot", bars()), ("perp", bars()), ("funding", prints())):
        path = write_parquet(tmp_path / f"{leg}.parquet", change(frame, symbol=written_by(evil)))
        flags += [f"--{leg}", path]
    done = project.run(*flags, "--beta_window", 20, "--out", tmp_path / "out")
    assert not evil.exists()
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/spot.parquet: a symbol is ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_dbt_renders_no_var(project: Project, tmp_path: Path) -> None:
    """Whoever calls dbt itself: what is given is a literal."""
    evil = tmp_path / "evil.csv"
    given = {name: written_by(evil) for name in ("symbol", "spot", "perp", "funding", "strategy")}
    done = project.dbt(
        "compile", "--target-path", str(tmp_path / "target"), "-s", "int_build int_strategies",
        "--vars", run.vars_text(given),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    compiled = {path.stem: path.read_text() for path in (tmp_path / "target").rglob("int_*.sql")}
    literal = written_by(evil).replace("'", "''")
    assert literal in compiled["int_strategies"]
    assert compiled["int_build"].count("run_query") == len(given)
    assert not evil.exists()


def test_a_strategy_in_the_seed_is_no_code(
    good: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("macros", "models", "data/seeds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    seed = tmp_path / "data" / "seeds" / "hedge_strategies.csv"
    rows = seed.read_text()
    monkeypatch.setattr("scripts.inputs.ROOT", tmp_path)
    for name, words in (("{{ 1 }}", "use letters"), ("Naive", "differ in letter case only")):
        seed.write_text(f"{rows}{name},naive,false,,,,,,,,\n")
        assert words in refusal(good, "--strategy", name)


@pytest.mark.parametrize("leg", inputs.LEGS)
@pytest.mark.parametrize("address", ["https://127.0.0.1:9/a.parquet", "s3://bucket/*.parquet"])
def test_addresses_are_no_files(good: dict[str, Path], leg: str, address: str) -> None:
    argv = [item for name, path in (good | {leg: address}).items() for item in (f"--{name}", path)]
    with pytest.raises(InputError, match=f"--{leg}: {re.escape(address)} is an address, and only"):
        run.run(list(map(str, argv)))


def test_duckdb_downloads_nothing() -> None:
    from scripts.database import connect

    with connect() as connection:
        settings = connection.execute(
            "select current_setting('autoinstall_known_extensions'),"
            " current_setting('autoload_known_extensions')"
        ).fetchall()
        assert settings == [(False, False)]
        with pytest.raises(duckdb.Error):
            connection.execute("from read_parquet('https://127.0.0.1:9/a.parquet')")


def test_databases_are_opened_in_one_place() -> None:
    """Where progress bars and downloads are switched off."""
    opening = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "scripts").rglob("*.py")
        if "duckdb.connect(" in path.read_text()
    }
    # the benchmark's peers are programs of their own
    assert {path for path in opening if "benchmark" not in path} == {"scripts/database.py"}


# name: (leg, frame, words of the refusal)
AMBIGUOUS: dict[str, tuple[str, Callable[[], pd.DataFrame], str]] = {
    "two columns of one name": (
        "spot", lambda: change(bars(), Close=1.0),
        "has several columns of one name: close, Close. Keep one of them.",
    ),
    "two columns of times of one name": (
        "perp", lambda: change(bars(), Timestamp=bars()["timestamp"]), "timestamp, Timestamp",
    ),
    "an amount per contract beside the rate": (
        "funding", lambda: change(prints(), fundingRate=9.5).rename(
            columns={"funding_rate": "relativeFundingRate"}
        ),
        "has the columns fundingRate, relativeFundingRate for one value",
    ),
    "two rates": (
        "funding", lambda: change(prints(), rate=0.01),
        "has the columns funding_rate, rate for one value. Keep the one that is meant.",
    ),
    "two times that differ": (
        "spot", lambda: change(bars(), open_time=bars()["timestamp"] + pd.Timedelta("1h")),
        "columns timestamp and open_time differ in 1000 rows",
    ),
    "one symbol in two spellings": (
        "spot", lambda: pd.concat([change(bars(), symbol=name) for name in ("BTCUSDT", "btcusdt")]),
        "the symbols BTCUSDT and btcusdt differ in letter case only",
    ),
    "a symbol with a comma": (
        "spot", lambda: change(bars(), symbol="BTC,USDT"), "a symbol is 'BTC,USDT'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        *((name, ()) for name in AMBIGUOUS),
        # of a symbol with a comma no row is left
        *((name, ("--symbol", "BTCUSDT")) for name in AMBIGUOUS if "comma" not in name),
    ],
)
def test_what_would_have_to_be_guessed_is_refused(
    good: dict[str, Path], name: str, flags: tuple[str, ...]
) -> None:
    leg, make, words = AMBIGUOUS[name]
    # DuckDB would rename a second column of one name
    parquet.write_table(pa.Table.from_pandas(make(), preserve_index=False), good[leg])
    assert words in refusal(good, *flags)


def test_times_that_agree_are_no_contradiction(good: dict[str, Path]) -> None:
    """As CCXT has them in two forms, and partitioned files the day beside the time."""
    frame = bars()
    write_parquet(
        good["spot"],
        change(
            frame, datetime=frame["timestamp"].astype(str), date=frame["timestamp"].dt.floor("D")
        ),
    )
    given = {leg: inputs.file_pattern(leg, str(path), Path.cwd()) for leg, path in good.items()}
    assert inputs.check(given | {"beta_window": 20})["symbol"] == "BTCUSDT"


def test_a_column_within_a_column_is_none(good: dict[str, Path]) -> None:
    with duckdb.connect() as connection:
        connection.register("frame", bars())
        connection.execute(
            "copy (select {'symbol': 'ETHUSDT', 'close': {'close': 1}} as info,"
            " ['BTC'] as list, * from frame)"
            f" to '{good['spot']}' (format parquet)"
        )
    given = {leg: inputs.file_pattern(leg, str(path), Path.cwd()) for leg, path in good.items()}
    assert inputs.check(given | {"beta_window": 20})["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("kind", ["itself", "a symlink", "a hard link"])
def test_one_file_is_not_both_legs(good: dict[str, Path], tmp_path: Path, kind: str) -> None:
    perp = tmp_path / "perp2_BTCUSDT.parquet"
    if kind == "itself":
        perp = good["spot"]
    elif kind == "a symlink":
        perp.symlink_to(good["spot"])
    else:
        perp.hardlink_to(good["spot"])
    assert "is the file of --spot" in refusal(good | {"perp": perp})


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        *(("--fees_bps", text) for text in ("1_0", "٣", "nan", "inf", "1e400", "0x10", "1,5")),
        ("--beta_window", "٣٠"), ("--beta_window", "1_0"), ("--vol_window", "٣٠d"),
        ("--vol_target", "0.5f"), ("--slippage_bps", "１"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_one_way(
    good: dict[str, Path], capsys: pytest.CaptureFixture[str], flag: str, text: str
) -> None:
    argv = [item for leg, path in good.items() for item in (f"--{leg}", str(path))]
    with pytest.raises(SystemExit) as refused:
        run.run([*argv, flag, text])
    assert refused.value.code == 2
    assert "is not a number such as 5, 0.5 or 1e-3" in capsys.readouterr().err


def test_a_projects_folder_may_have_any_name(tmp_path: Path) -> None:
    """Quotes, braces and brackets are letters of its name."""
    project = Project(tmp_path / "it's [a] {{ 1 }} project")
    (folder,) = project.run_folders(*write_legs(tmp_path), *SMALL)
    assert read_metrics(folder)["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hedge-mvp", "FEES=1"), "make hedge-mvp does not read FEES: it reads SPOT PERP"),
        (("test", "SPOT=x"), "make test does not read SPOT: it reads none"),
        (("fetch", "TIMEFRAME=1h"), "make fetch does not read TIMEFRAME: it reads SYMBOL"),
    ],
)
def test_make_ignores_no_variable(arguments: tuple[str, ...], words: str) -> None:
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr


def test_make_takes_the_variables_of_its_goal() -> None:
    for arguments in (("hedge-mvp", "FEES_BPS=2", "VENV=.venv"), ("docs", "TIMEFRAME=4h")):
        done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
