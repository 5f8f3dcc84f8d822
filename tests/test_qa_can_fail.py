"""Every dbt test fails on the fault that it is named after: none asserts nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ROOT, Project

OF_BAR = (
    "series = (select series from int_series where strategy = '{strategy}')"
    " and row_index = (select row_index from int_merged_bars where ts = '{ts}')"
)
# test: a statement that makes the fault in a built database
FAULTS = {
    "one_bar_size_per_symbol_and_leg": "insert into int_input_files select * replace ("
    " 300000 as smallest_bar_size_ms, 3600000 as largest_bar_size_ms)"
    " from int_input_files where leg = 'spot'",
    "timeframe_is_a_multiple_of_the_raw_step": (
        "update int_raw_steps set raw_step_ms = 420000 where leg = 'perp'"
    ),
    "coverage_counts_every_raw_bar_once": (
        "update coverage set bars_present = bars_present - 1 where source = 'perp'"
    ),
    "inputs_are_unambiguous": "update int_input_files set symbol = '{{ 1 }}' where leg = 'spot'",
    "prices_are_positive": "update int_pairs set close_perp = 0 where end_ts = '2025-05-01'",
    "no_incident_is_an_error": "update data_incidents set severity = 'error'",
    "selected_strategy_is_in_the_seed": "update int_strategies set is_selected = false",
    "strategy_parameters_make_sense": "update int_strategies set vol_target = 0",
    "some_symbol_is_evaluated": "update int_samples set evaluated_bars = 0",
    "fees_follow_the_trades": (
        "update paper_rebalance_log set order_qty = order_qty * 1.01 where seq = 1"
    ),
    "funding_is_conserved": "update prices_merged set funding_rate = 0 where ts = '2025-05-01'",
    "betas_use_only_rows_before_the_bar":
    # each bar is given the estimate of the next: one bar of look-ahead
    "create or replace table int_betas as select * replace"
    " (lead(beta) over (partition by market, estimator, beta_window, halflife"
    " order by row_index) as beta)"
    " from int_betas",
    "positions_follow_their_rule":
    # a trade of a strategy that only enters
    "update int_positions set hedge_ratio = 1, trade = trade + 1e-5"
    f" where {OF_BAR.format(strategy='naive_hold', ts='2025-05-01')}",
    "every_strategy_is_scored_on_the_same_bars": (
        f"delete from int_positions where {OF_BAR.format(strategy='naive', ts='2025-12-31 23:00')}"
    ),
    "variance_components_add_up": (
        "update variance_components set variance = 0 where component = '2cov_r_spot_r_hedge'"
    ),
    "carry_attribution_adds_up": (
        "update carry_attribution set funding = funding + 1e-8 where month = '2025-05-01'"
    ),
    "order_log_is_complete": "delete from paper_rebalance_log where seq = 100",
    "order_log_adds_up_to_the_metrics": (
        "update paper_rebalance_log set r_net = r_net + 1e-6 where seq = 100"
    ),
    "intervals_hold_the_figures_of_the_metrics": (
        "update hedge_intervals set estimate = estimate + 1e-8 where metric = 'sharpe'"
    ),
}
# every_bar_adds_up: what it says of a fault, and statements that make it
FAULTS_OF_A_BAR = {
    "r_net is not the sum of its parts": (
        "r_fees = r_fees - 1e-11",
        "r_funding = -r_funding",
        "r_net = -1",
        "r_net = 'nan'",
    ),
    "a bar loses more than everything": (
        "r_net = -1, r_fees = -1 - (r_spot + r_hedge + r_funding)",
    ),
    "r_hedge does not follow the ratio": (
        "r_hedge = r_hedge + 1e-11, r_net = r_net + 1e-11",
        "r_spot = r_spot + 1e-14",
        "r_fut = r_fut + 1e-14",
        # a row without its bar
        "ts = '1999-01-01'",
    ),
    "r_funding does not follow the ratio": (
        "r_funding = -r_funding, r_net = r_net - 2 * r_funding",
    ),
    "a drawdown is out of its bounds": (
        "drawdown = 0",
        "drawdown = 1e-9",
        "drawdown = -1",
        "drawdown = 'nan'",
    ),
    "a figure is not finite": (
        "cum_log_return = 'inf', drawdown = 0",
        "trade = 'nan'",
        "r_slippage = '-inf'",
    ),
}
# views: what their contracts would hold, and the test that does it instead
NEVER_NULL = {
    "prices_merged": ("prices_merged_is_sound", "symbol timeframe ts close_spot"),
    "beta_series": ("beta_series_is_sound", "symbol timeframe strategy ts status"),
    "returns_decomposed": (
        "every_bar_adds_up",
        "symbol timeframe strategy ts hedge_ratio trade r_spot r_fut r_hedge r_funding r_fees"
        " r_slippage r_net",
    ),
}
# generic tests: their files are named by dbt
NOT_FINITE = {
    "prices_merged": "r_fut = 'nan' where ts = '2025-05-01'",
    "beta_series": "beta = 'inf' where ts = '2025-05-01'",
    "hedge_metrics": "sharpe = '-inf'",
    "hedge_metrics_by_regime": "volatility = 'inf' where regime = 'high'",
    "hedge_tails": "worst_week = 'nan'",
    "carry_attribution": "basis = 'nan'",
    "variance_components": "variance = 'nan'",
    "paper_rebalance_log": "price_perp = 'nan'",
    "leg_comovement": "correlation = 'nan'",
    "coverage": "share = 'nan'",
    "hedge_intervals": "ci_low = '-inf'",
    "hedge_verdict": "break_even_funding_rate = 'nan'",
}
FAULTS |= {
    f"{mart}_is_sound": f"insert into {mart} (from {mart} limit 1)"
    for mart in sorted((NOT_FINITE.keys() - NEVER_NULL.keys()) | {"data_incidents"})
} | {
    # a warm-up bar that looks like one without a hedge
    "beta_series_is_sound": "update beta_series set hedge_ratio = 0 where status = 'warmup'",
    "prices_merged_is_sound": "update prices_merged set close_spot = 'nan' where ts = '2025-05-01'",
    "every_bar_adds_up": "update returns_decomposed set r_net = r_net + 1e-11",
    "not_null_hedge_strategies_strategy": "update hedge_strategies set strategy = null",
    "unique_hedge_strategies_strategy": "update hedge_strategies set strategy = 'naive'",
    "data_incidents_are_of_known_kinds": "update data_incidents set kind = 'unheard_of'",
    "unique_incident_kinds_kind": "update incident_kinds set kind = 'flat_bars'",
    "not_null_hedge_strategies_estimator": "update hedge_strategies set estimator = null",
}


@pytest.fixture(scope="module")
def tests_sql(compiled: dict[str, str]) -> dict[str, str]:
    """The SQL of every test."""
    others = {path.stem for name in ("models", "analyses") for path in (ROOT / name).rglob("*.sql")}
    return {name: sql for name, sql in compiled.items() if name not in others}


@pytest.fixture
def database(sample_project: tuple[Project, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample's database, in a transaction that is rolled back."""
    with duckdb.connect(str(sample_project[0].database)) as connection:
        connection.begin()
        yield connection
        connection.rollback()


def make_table(database: duckdb.DuckDBPyConnection, view: str, condition: str = "true") -> None:
    """Put a table of its rows in a view's place, to disturb it as one."""
    database.execute(f"create table rows_of_view as from {view} where {condition}")
    database.execute(f"drop view {view}")
    database.execute(f"alter table rows_of_view rename to {view}")


def make_fault(database: duckdb.DuckDBPyConnection, fault: str) -> None:
    """Make a fault, in a view by way of a table."""
    for view in NEVER_NULL:
        if fault.startswith(f"update {view} "):
            make_table(database, view)
    database.execute(fault)


@pytest.mark.parametrize(
    ("test", "fault"),
    [
        *FAULTS.items(),
        ("beta_series_is_sound", "update beta_series set hedge_ratio = null where status = 'ok'"),
        ("variance_components_add_up", "update int_moments set var_net = 1.001 * var_net"),
        *(
            (
                "every_strategy_is_scored_on_the_same_bars",
                f"delete from int_positions where {OF_BAR.format(strategy='naive', ts=ts)}",
            )
            for ts in ("2025-01-31 01:00", "2025-05-01")
        ),
        *((f"{mart}_is_sound", f"update {mart} set {fault}") for mart, fault in NOT_FINITE.items()),
    ],
)
def test_it_passes_as_built_and_fails_on_its_fault(
    database: duckdb.DuckDBPyConnection, tests_sql: dict[str, str], test: str, fault: str
) -> None:
    assert database.execute(tests_sql[test]).fetchall() == []
    make_fault(database, fault)
    assert database.execute(tests_sql[test]).fetchall() != []


def test_every_bar_adds_up_names_each_fault(
    database: duckdb.DuckDBPyConnection, tests_sql: dict[str, str]
) -> None:
    """One pass for all of it, of which the first fault is told."""
    sql = tests_sql["every_bar_adds_up"]
    # nothing is 0 but for rounding
    lossy = "strategy = 'naive' and cum_log_return < -1e-6 and r_funding > 1e-6"
    make_table(database, "returns_decomposed", lossy)
    rows = "from returns_decomposed order by ts limit 1"
    database.execute(f"create table whole as {rows}")
    for said, faults in FAULTS_OF_A_BAR.items():
        for fault in faults:
            database.execute("create or replace table returns_decomposed as from whole")
            assert database.execute(sql).fetchall() == []
            database.execute(f"update returns_decomposed set {fault}")
            found = database.execute(f"select fault from ({sql})").fetchall()
            assert found == [(said,)], fault


@pytest.mark.parametrize("view", NEVER_NULL)
def test_a_view_has_a_test_in_place_of_its_constraints(
    database: duckdb.DuckDBPyConnection, tests_sql: dict[str, str], view: str
) -> None:
    test, columns = NEVER_NULL[view]
    make_table(database, view, "ts = '2025-05-01'")
    database.execute(f"create table whole as from {view}")
    assert database.execute(tests_sql[test]).fetchall() == []
    for column in columns.split():
        database.execute(
            f"create or replace table {view} as select * replace (null as {column}) from whole"
        )
        assert database.execute(tests_sql[test]).fetchall() != [], column


def ordered_passes(sql: str) -> list[tuple[str, str]]:
    """Return the rows and the order of each ordered pass, as they are written."""
    passes = []
    for start in (match.end() for match in re.finditer(r"\bordered as \(", sql)):
        depth, end = 1, start
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        rows, order = sql[start : end - 1].rsplit("order by", 1)
        passes.append((rows, order))
    return passes


# model: ordered passes in its SQL, those of the ephemeral models before it included
GUARDED = {
    "int_merged_bars": 1,
    "int_targets": 1,
    "int_positions": 1,
    "leg_comovement": 1,
    "positions_follow_their_rule": 1,
    # int_running_sums
    "int_bootstrap_replicates": 1,
    # int_running_sums, int_long_run_variances
    "hedge_intervals": 2,
}


@pytest.mark.parametrize("model", GUARDED)
def test_an_ordered_pass_fails_on_rows_out_of_order(
    sample_project: tuple[Project, Path], compiled: dict[str, str], model: str
) -> None:
    sql = compiled[model]
    passes = ordered_passes(sql)
    assert len(passes) == GUARDED[model]
    # an error would end a transaction
    database = duckdb.connect(str(sample_project[0].database), read_only=True)
    for rows, order in passes:
        keys = [key.strip().split(".")[-1] for key in order.split(",")]
        one_twice = "from once union all (from once limit 1)"
        for disturbed in (
            f"{rows} order by {', '.join(f'{key} desc' for key in order.split(','))}",
            # each series in its place, its rows from the last to the first
            f"{rows} order by {order} desc",
            f"{rows} order by hash({order})",
            f"with once as ({rows}) select * from ({one_twice}) order by {', '.join(keys)}",
        ):
            changed = sql.replace(
                f"ordered as ({rows}order by{order})", f"ordered as ({disturbed})"
            )
            assert changed.count(disturbed) == 1
            with pytest.raises(duckdb.Error, match="came out of order"):
                database.execute(f"create temp table built as {changed}")
    # the way to fail is the order alone
    database.execute(f"create temp table built as {sql}")
    database.close()


def test_every_ordered_pass_is_guarded(compiled: dict[str, str]) -> None:
    """Wherever a window streams over ordered rows, a row out of order is an error."""
    streaming = {
        path.stem
        for name in ("models", "tests")
        for path in (ROOT / name).rglob("*.sql")
        if re.search(r"over \(\)|\bin_order\(|\bis_first_of\(", path.read_text())
    }
    # that of the raw rows: tests/test_order.py
    of_files = {"int_raw_marks", "int_pairs"}
    assert streaming - of_files == GUARDED.keys() - {
        "int_bootstrap_replicates",
        "hedge_intervals",
    } | {"int_running_sums", "int_long_run_variances"}
    for name in streaming - {"int_raw_marks"}:
        assert "came out of order" in compiled[name], name


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("int_pairs", "int_merged_bars"),
        ("int_betas", "int_targets"),
        ("int_realized_vols", "int_targets"),
        ("int_targets", "int_positions"),
        ("int_series", "int_positions"),
        ("int_merged_bars", "int_positions"),
        ("int_merged_bars", "leg_comovement"),
        ("int_positions", "int_bootstrap_replicates"),
        ("int_positions", "positions_follow_their_rule"),
    ],
)
def test_a_row_that_is_there_twice_stops_the_build(
    database: duckdb.DuckDBPyConnection, compiled: dict[str, str], table: str, model: str
) -> None:
    """No test counts the rows of the views, which are made of these."""
    known = {"int_series": "true", "int_pairs": "end_ts = '2025-05-01'"}
    row = f"from {table} where {known.get(table, 'row_index = 5000')} limit 1"
    database.execute(f"insert into {table} ({row})")
    with pytest.raises(duckdb.Error, match="came out of order"):
        database.execute(f"create or replace temp table built as {compiled[model]}")


def test_every_dbt_test_is_here(tests_sql: dict[str, str]) -> None:
    assert tests_sql.keys() == FAULTS.keys()
    assert {test for test, _ in NEVER_NULL.values()} <= FAULTS.keys()
    singular = {path.stem for path in (ROOT / "tests").rglob("*.sql")} - {"sound"}
    # of builds with a sweep or several timeframes: tests/test_sweeps.py, test_timeframes.py
    singular -= {"sweep_parameters_make_sense", "sweep_is_scored", "timeframes_share_one_span"}
    assert singular <= FAULTS.keys()
