"""Every dbt test fails on the fault that it is named after: none asserts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ROOT, Project

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
    "net_return_is_the_sum_of_its_parts": (
        "update returns_decomposed set r_fees = r_fees - 1e-11 where ts = '2025-05-01'"
    ),
    "hedge_and_funding_follow_the_ratio": (
        "update returns_decomposed set r_funding = -r_funding where ts = '2025-05-01'"
    ),
    "fees_follow_the_trades": (
        "update paper_rebalance_log set order_qty = order_qty * 1.01 where seq = 1"
    ),
    "funding_is_conserved": "update prices_merged set funding_rate = 0 where ts = '2025-05-01'",
    "betas_use_only_rows_before_the_bar":
    # each bar is given the estimate of the next: one bar of look-ahead
    "create or replace table int_betas as select * replace"
    " (lead(beta) over (partition by symbol, timeframe, estimator, beta_window, halflife"
    " order by ts) as beta)"
    " from int_betas",
    "positions_follow_their_rule":
    # a trade of a strategy that only enters
    "update returns_decomposed set hedge_ratio = 1, trade = trade + 1e-5"
    " where strategy = 'naive_hold' and ts = '2025-05-01'",
    "warmup_has_no_ratio_and_the_rest_has_one": (
        "update beta_series set hedge_ratio = 0 where status = 'warmup'"
    ),
    "every_strategy_is_scored_on_the_same_bars": (
        "delete from returns_decomposed where strategy = 'naive' and ts = '2025-12-31 23:00'"
    ),
    "no_bar_loses_more_than_everything": (
        "update returns_decomposed set r_net = -1 where ts = '2025-05-01'"
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
    "drawdowns_stay_within_their_bounds": (
        "update returns_decomposed set drawdown = 0 where strategy = 'unhedged'"
    ),
}
# generic tests: their files are named by dbt
NOT_FINITE = {
    "prices_merged": "r_fut = 'nan' where ts = '2025-05-01'",
    "beta_series": "beta = 'inf' where ts = '2025-05-01'",
    "returns_decomposed": "r_net = 'nan'",
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
    for mart in (*NOT_FINITE, "data_incidents")
} | {
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


@pytest.mark.parametrize(
    ("test", "fault"),
    [
        *FAULTS.items(),
        *((f"{mart}_is_sound", f"update {mart} set {fault}") for mart, fault in NOT_FINITE.items()),
    ],
)
def test_it_passes_as_built_and_fails_on_its_fault(
    database: duckdb.DuckDBPyConnection, tests_sql: dict[str, str], test: str, fault: str
) -> None:
    assert database.execute(tests_sql[test]).fetchall() == []
    database.execute(fault)
    assert database.execute(tests_sql[test]).fetchall() != []


def test_every_dbt_test_is_here(tests_sql: dict[str, str]) -> None:
    assert tests_sql.keys() == FAULTS.keys()
    singular = {path.stem for path in (ROOT / "tests").rglob("*.sql")} - {"sound"}
    # of builds with a sweep or several timeframes: tests/test_sweeps.py, test_timeframes.py
    singular -= {"sweep_parameters_make_sense", "sweep_is_scored", "timeframes_share_one_span"}
    assert singular <= FAULTS.keys()
