"""The questions that a built database answers: each runs, and says what the rows say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, Project

DUCKDB = Path(sys.executable).parent / "duckdb"
PROPERTIES = [
    properties
    for path in sorted((ROOT / "models" / "questions").glob("*.yml"))
    for properties in yaml.safe_load(path.read_text())["models"]
]


@pytest.fixture(scope="module")
def project(sample_project: tuple[Project, Path]) -> Project:
    return sample_project[0]


def test_help_lists_what_there_is_and_every_example_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = project.query("from hedge_help()")
    assert list(listed["kind"].drop_duplicates()) == ["question", "analysis", "table"]
    examples = {kind: list(rows["example"]) for kind, rows in listed.groupby("kind")}
    marts = project.query(
        "select table_name from information_schema.tables where table_schema = 'main'"
        " and not regexp_matches(table_name, '^(stg|int|plot)_')"
    )
    assert set(examples["table"]) == {f"from {name}" for name in marts["table_name"]}
    assert examples["table"][:2] == ["from hedge_verdict", "from hedge_metrics"]
    macros = project.query(
        "select distinct function_name from duckdb_functions()"
        " where function_type = 'table_macro' and not internal and schema_name = 'main'"
    )
    asked = {example.removeprefix("from ").split("(")[0] for example in examples["question"]}
    assert asked | {"hedge_help"} == set(macros["function_name"])
    assert set(macros["function_name"]) == {each["name"] for each in PROPERTIES}
    assert set(examples["analysis"]) == {
        f".read {path.relative_to(project.root)}"
        for path in (project.root / "analyses").glob("*.sql")
    }
    monkeypatch.chdir(project.root)
    lines = "\n".join(e if e.startswith(".") else f"{e};" for e in listed["example"])
    done = subprocess.run(
        [DUCKDB, "-readonly", "-bail", "-csv", project.database],
        input=lines,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for example in examples["question"] + examples["table"]:
        if example != "from data_incidents":  # the sample has none
            assert len(project.query(example)), example


@pytest.mark.parametrize("properties", PROPERTIES, ids=[each["name"] for each in PROPERTIES])
def test_a_question_is_what_its_properties_say(
    project: Project, sample_project: tuple[Project, Path], properties: dict[str, Any]
) -> None:
    name, meta = properties["name"], properties["config"]["meta"]
    (question,) = project.query(
        f"select parameters, comment from duckdb_functions() where function_name = '{name}'"
    ).to_dict("records")
    assert list(question["parameters"]) == list(meta.get("arguments", {}))
    assert question["comment"].split() == properties["description"].split()
    example = meta["example"].replace("'runs'", f"'{sample_project[1].parent}'")
    columns = list(project.query(f"from {example} limit 0"))
    if name == "compare_runs":
        figures = list(project.query("from hedge_metrics limit 0"))[3:]
        columns = [column for column in columns if column not in figures]
    assert columns == [column["name"] for column in properties["columns"]]


def test_questions_are_answered_in_a_copy_under_another_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relation that named its database would not be found."""
    other = tmp_path / "copy of a build.duckdb"
    shutil.copy(project.database, other)
    monkeypatch.chdir(project.root)
    questions = project.query("select example from hedge_help() where kind = 'question'")
    views = project.query(
        "select view_name from duckdb_views() where not internal and schema_name = 'main'"
    )
    assert len(views)
    lines = [f"{example};" for example in questions["example"]]
    lines += [f"from {view} limit 0;" for view in views["view_name"]]
    answers = [
        subprocess.run(
            [DUCKDB, "-readonly", "-bail", "-csv", database],
            input="\n".join(lines),
            capture_output=True,
            text=True,
        )
        for database in (project.database, other)
    ]
    assert [(answer.returncode, answer.stderr) for answer in answers] == [(0, "")] * 2
    assert answers[0].stdout == answers[1].stdout != ""


def box_width(project: Project, query: str) -> int:
    """Return how wide the client prints an answer."""
    done = subprocess.run(
        [DUCKDB, "-readonly", project.database, "-c", query],
        capture_output=True,
        text=True,
        check=True,
    )
    return max(map(len, done.stdout.splitlines()))


@pytest.mark.parametrize(
    "question",
    [
        "hedge_help()",
        "compare_strategies()",
        "what_if(5, funding_factor := 0.5)",
        "funding_by_month()",
        "worst_drawdowns()",
        "hedge_on('2025-06-01 12:00')",
    ],
)
def test_an_answer_fits_a_terminal(project: Project, question: str) -> None:
    assert 80 < box_width(project, f"from {question}") <= 120


def test_what_if_nothing_changes(project: Project) -> None:
    metrics = project.query("from hedge_metrics").set_index("strategy")
    found = project.query("from what_if(1)").set_index("strategy")
    for column in ("variance_reduction", "sharpe", "total_return", "fees", "funding"):
        np.testing.assert_allclose(
            found.loc[metrics.index, column],
            metrics[column],
            atol=6e-7 if column == "sharpe" else 6e-9,
            rtol=0,
        )


@pytest.mark.parametrize(
    ("arguments", "fees_bps", "factor"),
    [("7.5", 7.5, 1), ("5, funding_factor := 0.5", 5, 0.5), ("0, -1", 0, -1), ("-0.5", -0.5, 1)],
)
def test_what_if_fees_and_funding_are_others(
    project: Project, arguments: str, fees_bps: float, factor: float
) -> None:
    rows = project.query(
        "select strategy, r_spot, r_hedge, r_funding, trade from returns_decomposed"
    )
    found = project.query(f"from what_if({arguments})").set_index("strategy")
    assert len(found) == rows["strategy"].nunique()
    for name, bars in rows.groupby("strategy"):
        cost = fees_bps / 1e4 * bars["trade"].abs()
        funding = factor * bars["r_funding"]
        net = bars["r_spot"] + bars["r_hedge"] + funding - cost
        row = found.loc[name]
        assert row["fees"] == pytest.approx(-cost.sum(), abs=6e-9)
        assert row["funding"] == pytest.approx(funding.sum(), abs=6e-9)
        assert row["total_return"] == pytest.approx((1 + net).prod() - 1, abs=6e-9)
        assert row["variance_reduction"] == pytest.approx(
            1 - net.var() / bars["r_spot"].var(), abs=6e-9
        )
        assert row["sharpe"] == pytest.approx(net.mean() / net.std() * 8760**0.5, abs=6e-7)


def test_what_if_a_trade_costs_all_there_is(project: Project) -> None:
    found = project.query("from what_if(20000)").set_index("strategy")["total_return"]
    assert found.drop("unhedged").isna().all()
    assert found["unhedged"] > -1


def test_the_worst_drawdown_is_that_of_the_metrics(project: Project) -> None:
    metrics = project.query("from hedge_metrics").set_index("strategy")["max_drawdown"]
    falls = project.query("from worst_drawdowns(n := 4)")
    worst = falls.groupby("strategy")["drawdown"].first()
    np.testing.assert_allclose(worst[metrics.index], metrics, rtol=0, atol=6e-7)
    assert falls.groupby("strategy").size().max() == 4
    for name in ("naive", "unhedged"):
        rows = (
            project.query(f"select ts, drawdown from returns_decomposed where strategy = '{name}'")
            .set_index("ts")["drawdown"]
            .sort_index()
        )
        own = falls[falls["strategy"] == name]
        assert own["drawdown"].is_monotonic_increasing
        for fall in own.itertuples():
            spell = rows[fall.first_ts :]
            if not pd.isna(fall.made_up_ts):
                assert rows[fall.made_up_ts] == 0
                spell = spell[: fall.made_up_ts].iloc[:-1]
            assert (spell < 0).all()
            assert spell.min() == pytest.approx(fall.drawdown, abs=6e-7)
            assert spell.idxmin() == fall.lowest_ts
    assert falls["made_up_ts"].isna().any()
    assert falls["made_up_ts"].notna().any()
    assert project.query("from worst_drawdowns(n := 0)").empty


def test_a_month_is_that_of_the_attribution(project: Project) -> None:
    key = ["symbol", "timeframe", "strategy", "month"]
    found = project.query("from funding_by_month()").set_index(key)
    months = project.query("from carry_attribution").set_index(key)
    assert len(found) == len(months)
    for column in found:
        np.testing.assert_allclose(
            found[column], months.loc[found.index, column], rtol=0, atol=6e-7
        )


@pytest.mark.parametrize(
    ("moment", "decided"),
    [
        ("2025-06-01 12:00", "2025-06-01 12:00"),
        ("2025-06-01 12:59:59", "2025-06-01 12:00"),
        ("2030-01-01", "2026-01-01 00:00"),
    ],
)
def test_the_order_in_force(project: Project, moment: str, decided: str) -> None:
    (row,) = project.query(f"from hedge_on('{moment}')").to_dict("records")
    assert str(row["decision_ts"])[:16] == decided
    assert project.query("from hedge_on('2020-01-01')").empty


def test_compared_strategies_stand_with_their_intervals(project: Project) -> None:
    found = project.query("from compare_strategies()")
    assert found["utility"].is_monotonic_decreasing
    found = found.set_index("strategy")
    for metric, interval, figure, digits in [
        ("sharpe", "sharpe_95", "sharpe", 2),
        ("variance_reduction", "removed_95", "variance_removed", 5),
    ]:
        rows = project.query(f"from hedge_intervals where metric = '{metric}'")
        for row in rows.itertuples():
            expected = [round(value, digits) for value in (row.ci_low, row.ci_high)]
            assert list(found.loc[row.strategy, interval]) == pytest.approx(expected, abs=1e-9)
            assert found.loc[row.strategy, figure] == pytest.approx(
                row.estimate, abs=0.6 * 10**-digits
            )


@pytest.fixture(scope="module")
def runs(sample_project: tuple[Project, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of two timeframes and versions, and with what is no run."""
    root = tmp_path_factory.mktemp("desk's runs")
    source = sample_project[1]

    def put(name: str, **changed: object) -> None:
        folder = root / "BTCUSDT" / name
        folder.mkdir(parents=True)
        shutil.copy(source / "metadata.json", folder)
        metrics = json.loads((source / "metrics.json").read_text()) | changed
        (folder / "metrics.json").write_text(json.dumps(metrics))

    put("1h/2026-01-02_03-04-05")
    put("1h/2026-01-02_03-04-05_2", selected_strategy="naive")
    put("4h/2026-03-01_00-00-00", timeframe="4h", strategies={'$old "one"': {"sharpe": 1.5}})
    (root / "BTCUSDT/1h/latest").symlink_to("2026-01-02_03-04-05_2")
    put("4h/latest")
    put("4h/.writing-abc")
    older = root / "BTCUSDT/oldest"
    older.mkdir()
    (older / "metrics.json").write_text("{}")
    broken = root / "BTCUSDT/1h/2025-12-31_00-00-00"
    broken.mkdir()
    (broken / "metrics.json").write_text('{"symbol": "BTC')
    (root / "metadata.json").write_text("{}")
    return root


def compared(project: Project, folder: Path) -> pd.DataFrame:
    name = str(folder).replace("'", "''")
    return project.query(f"from compare_runs('{name}')")


def test_runs_are_compared_the_newest_first(project: Project, runs: Path) -> None:
    found = compared(project, runs)
    assert list(found["run"].str.removeprefix(f"{runs}/BTCUSDT/").drop_duplicates()) == [
        "4h/2026-03-01_00-00-00",
        "1h/2026-01-02_03-04-05_2",
        "1h/2026-01-02_03-04-05",
        "1h/2025-12-31_00-00-00",
        "oldest",
    ]
    metrics = project.query("from hedge_metrics").set_index("strategy")
    whole = found[found["run"].str.endswith("03-04-05")].set_index("strategy")
    # in the order of the file, which is that of the seed
    assert list(whole.index) == list(project.query("from hedge_strategies")["strategy"])
    for column in metrics.columns.drop(["symbol", "timeframe"]):
        assert (whole[column] == metrics.loc[whole.index, column]).all(), column
    assert list(whole.index[whole["is_selected"]]) == ["rolling_ols"]
    (sample,) = project.query("select start_ts, end_ts from int_samples").to_dict("records")
    for column, value in {
        "built_ts": pd.Timestamp("2026-01-02 03:04:05"),
        "symbol": "BTCUSDT",
        "timeframe": "1h",
        "fees_bps": 1,
        "perp_is_proxy": False,
        "sample_start": sample["start_ts"],
        "sample_end": sample["end_ts"],
    }.items():
        assert (whole[column] == value).all(), column


def test_what_a_run_does_not_say_is_null(project: Project, runs: Path) -> None:
    found = compared(project, runs).set_index("run")
    one = found.loc[f"{runs}/BTCUSDT/4h/2026-03-01_00-00-00"]
    assert (one["timeframe"], one["strategy"], one["sharpe"]) == ("4h", '$old "one"', 1.5)
    assert not one["is_selected"]
    assert pd.isna(one["pnl_frac"])
    for name in ("oldest", "1h/2025-12-31_00-00-00"):
        row = found.loc[f"{runs}/BTCUSDT/{name}"]
        assert row.drop("built_ts").isna().all()


def test_latest_counts_where_it_is_asked_for(project: Project, runs: Path) -> None:
    for name in ("1h/latest", "4h/latest/"):
        found = compared(project, runs / "BTCUSDT" / name)
        assert len(found) == 7
        assert found["built_ts"].notna().all()


def test_runs_lie_in_runs_where_the_client_was_started(
    project: Project, sample_project: tuple[Project, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    found = project.query("from compare_runs()")
    assert str(sample_project[1].relative_to(project.root)) in set(found["run"])


def test_no_run_is_said_in_a_sentence(project: Project, tmp_path: Path) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="There is no run folder .* in /"):
        compared(project, tmp_path)
