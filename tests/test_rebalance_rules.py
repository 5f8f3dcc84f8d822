"""The rebalance rules: by hand on a few bars, and against a simulator on any series.

The models' own SQL, as dbt compiles it, runs on invented targets and prices.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tests import reference
from tests.conftest import Project

TOLERANCE = 1e-12
# strategy: (band, every, min_trade)
RULES = {
    "always": (0.0, 1, 0.0),
    "band": (0.01, 1, 0.0),
    "every_3": (0.0, 3, 0.0),
    "min_trade": (0.0, 1, 0.02),
    "enter_once": (0.0, 0, 0.0),
    "all_of_them": (0.004, 2, 0.006),
}


def positions(
    compiled: dict[str, str], targets: np.ndarray, spot: np.ndarray, perp: np.ndarray
) -> dict[str, list[tuple]]:
    """Return before, ratio, trade and reason of each bar and rule, as the order log has them.

    Prices are closes: that of the bar before the first one comes first. The last bar has not
    happened yet.
    """
    bars = len(targets)
    first_row = 3
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as hedge")
        connection.execute("use hedge")
        connection.execute(
            "create table int_series (series integer, market integer, symbol varchar,"
            " timeframe varchar, strategy varchar, target integer, has_rebalance_rule boolean,"
            " rebalance_band double, rebalance_every integer, min_trade double,"
            " is_selected boolean, start_row integer, start_close_spot double)"
        )
        connection.executemany(
            "insert into int_series values (?, 1, 'X', '1h', ?, 1, ?, ?, ?, ?, true, ?, ?)",
            [
                (number, name, name != "always", *rule, first_row, spot[0])
                for number, (name, rule) in enumerate(RULES.items(), start=1)
            ],
        )
        frame = {
            "row_index": first_row + np.arange(bars),
            "target": targets,
            "previous_close_spot": spot[:-1],
            "previous_close_perp": perp[:-1],
            "return_spot": spot[1:] / spot[:-1] - 1,
            "return_fut": perp[1:] / perp[:-1] - 1,
        }
        connection.register("bars", frame)
        connection.execute(
            "create table int_merged_bars as select 1 as market, row_index::integer as row_index,"
            " timestamp '2025-01-01' + to_hours(row_index::integer) as previous_end_ts,"
            " previous_end_ts + interval 1 hour as end_ts,"
            " row_index = max(row_index) over () as is_next_bar,"
            " previous_close_spot, previous_close_perp,"
            " if(is_next_bar, null, return_spot) as r_spot,"
            " if(is_next_bar, null, return_fut) as r_fut,"
            " if(is_next_bar, null, 0.0) as funding_rate from bars"
        )
        connection.execute(
            "create table int_targets as select 1 as market, 1 as target,"
            " row_index::integer as row_index, target as hedge_ratio, false as is_held from bars"
        )
        # what the log shows beside the positions
        connection.execute(
            "create table int_strategies as select '1h' as timeframe, true as is_selected,"
            " 'naive' as estimator, 1 as beta_window, 0 as halflife, 1 as vol_window"
        )
        connection.execute("create table int_samples as select 1 as market, 1.0 as beta_static")
        connection.execute(
            "create table int_betas (market integer, row_index integer, estimator varchar,"
            " beta_window integer, halflife integer, beta double)"
        )
        connection.execute(
            "create table int_realized_vols (market integer, row_index integer,"
            " vol_window integer, realized_vol double)"
        )
        connection.execute(
            "create table data_incidents (symbol varchar, kind varchar, source varchar,"
            " ts timestamp, ts_end timestamp)"
        )
        for model in ("int_positions", "paper_rebalance_log"):
            connection.execute(f"create table {model} as {compiled[model]}")
        rows = connection.execute(
            "select strategy, hedge_ratio_before, hedge_ratio_target,"
            " order_notional_frac * case order_side when 'buy' then -1 else 1 end, hold_reason"
            " from paper_rebalance_log order by strategy, seq"
        ).fetchall()
    return {name: [row[1:] for row in rows if row[0] == name] for name in RULES}


def test_by_hand(compiled: dict[str, str]) -> None:
    """Spot doubles while the perp stands still: a held ratio of 1 becomes a half."""
    targets = np.array([1.0, 1.0, 1.015, 0.9])
    spot = np.array([100.0, 100.0, 200.0, 200.0, 200.0])
    perp = np.array([100.0, 100.0, 100.0, 100.0, 100.0])
    found = positions(compiled, targets, spot, perp)
    assert found["always"] == [
        (0, 1, 1, None),
        (1, 1, 0, "at target"),
        (0.5, 1.015, pytest.approx(0.515), None),
        (1.015, 0.9, pytest.approx(-0.115), None),
    ]
    assert found["band"] == found["always"]
    assert found["every_3"] == [
        (0, 1, 1, None),
        (1, 1, 0, "at target"),
        (0.5, 0.5, 0, "not due"),
        (0.5, 0.9, pytest.approx(0.4), None),
    ]
    assert found["enter_once"] == [
        (0, 1, 1, None),
        (1, 1, 0, "at target"),
        (0.5, 0.5, 0, "not due"),
        (0.5, 0.5, 0, "not due"),
    ]


def test_small_differences_by_hand(compiled: dict[str, str]) -> None:
    """Prices stand still: the band is left beyond it, the smallest trade is one that counts."""
    targets = np.array([0.005, 0.015, 0.0150001, 0.03, 0.035, 0.05])
    flat = np.full(len(targets) + 1, 50.0)
    found = positions(compiled, targets, flat, flat)
    assert [row[1] for row in found["band"]] == [0.005, 0.005, 0.0150001, 0.03, 0.03, 0.05]
    assert [row[3] for row in found["band"]] == [
        None,
        "within band",
        None,
        None,
        "within band",
        None,
    ]
    # the entry is smaller than min_trade, and is done
    assert [row[1] for row in found["min_trade"]] == [0.005, 0.005, 0.005, 0.03, 0.03, 0.05]
    assert [row[3] for row in found["min_trade"]][1:3] == ["below min_trade"] * 2
    # due at bars 2 and 4: 0.01 away, then 0.02
    assert [row[1] for row in found["all_of_them"]] == [
        0.005,
        0.005,
        0.0150001,
        0.0150001,
        0.035,
        0.035,
    ]


# longer than the stretches that the SQL walks through, and of exactly their length
@pytest.mark.parametrize("bars", [1, 2, 127, 128, 129, 255, 256, 257, 512, 1500])
def test_any_series_is_walked_as_a_simulator_does(compiled: dict[str, str], bars: int) -> None:
    random = np.random.default_rng(bars)
    targets = 1 + 0.002 * np.cumsum(random.standard_normal(bars))
    spot = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars + 1)))
    perp = spot * (1 + 0.002 * random.standard_normal(bars + 1))
    found = positions(compiled, targets, spot, perp)
    for name, (band, every, min_trade) in RULES.items():
        rule = reference.Strategy(
            "rolling", rebalance_band=band, rebalance_every=every, min_trade=min_trade
        )
        coins = 0.0
        for bar, (before, ratio, trade, reason) in enumerate(found[name]):
            held = coins * perp[bar] / spot[bar]
            expected = targets[bar] if rule.trades(bar, targets[bar], held) else held
            assert before == pytest.approx(held, abs=TOLERANCE), (name, bar)
            assert ratio == pytest.approx(expected, abs=TOLERANCE), (name, bar)
            assert trade == pytest.approx(expected - held, abs=TOLERANCE), (name, bar)
            assert (trade == 0) == (reason is not None), (name, bar)
            coins = expected * spot[bar] / perp[bar]


def test_holding_from_the_entry_pays_one_fee(sample_project: tuple[Project, Path]) -> None:
    figures = sample_project[0].query(
        "select fees, turnover, hedge_ratio_std from hedge_metrics where strategy = 'naive_hold'"
    )
    assert figures["turnover"].item() == 1
    assert figures["fees"].item() == pytest.approx(-1e-4, abs=1e-15)
    # the ratio drifts with the basis
    assert 0 < figures["hedge_ratio_std"].item() < 0.01
