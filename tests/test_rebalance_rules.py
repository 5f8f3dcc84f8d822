"""The rebalance rules: by hand on a few bars, and against a simulator on any series.

The position's own SQL, as dbt compiles it, runs on invented targets and prices.
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


@pytest.fixture(scope="module")
def positions_sql(compiled: dict[str, str]) -> str:
    """The SQL of int_positions."""
    return compiled["int_positions"]


def positions(
    sql: str, targets: np.ndarray, spot: np.ndarray, perp: np.ndarray
) -> dict[str, list[tuple]]:
    """Return before, ratio, trade and reason of each bar and rule.

    Prices are closes: that of the bar before the first one comes first.
    """
    bars = len(targets)
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as hedge")
        connection.execute("use hedge")
        connection.execute(
            "create table int_strategies (timeframe varchar, strategy varchar,"
            " has_rebalance_rule boolean,"
            " rebalance_band double, rebalance_every integer, min_trade double)"
        )
        connection.executemany(
            "insert into int_strategies values ('1h', ?, ?, ?, ?, ?)",
            [(name, name != "always", *rule) for name, rule in RULES.items()],
        )
        frame = {
            "bar": np.arange(bars),
            "target": targets,
            "previous_close_spot": spot[:-1],
            "previous_close_perp": perp[:-1],
            "r_spot": spot[1:] / spot[:-1] - 1,
            "r_fut": perp[1:] / perp[:-1] - 1,
        }
        connection.register("series", frame)
        connection.execute(
            "create table series_bars as select *, 'X' as symbol, '1h' as timeframe,"
            " timestamp '2025-01-01' + to_hours(bar::integer) as ts from series"
        )
        connection.execute("create table int_merged_bars as from series_bars")
        connection.execute(
            "create table int_samples as select 'X' as symbol, '1h' as timeframe,"
            " timestamp '2025-01-01' as start_ts"
        )
        connection.execute(
            "create table int_hedge_ratios as select symbol, timeframe, strategy, ts,"
            " false as is_next_bar, target as hedge_ratio from series_bars"
            " join int_strategies using (timeframe)"
        )
        rows = connection.execute(
            "select strategy, hedge_ratio_before, hedge_ratio, trade, hold_reason"
            f" from ({sql}) order by strategy, ts"
        ).fetchall()
    return {name: [row[1:] for row in rows if row[0] == name] for name in RULES}


def test_by_hand(positions_sql: str) -> None:
    """Spot doubles while the perp stands still: a held ratio of 1 becomes a half."""
    targets = np.array([1.0, 1.0, 1.015, 0.9])
    spot = np.array([100.0, 100.0, 200.0, 200.0, 200.0])
    perp = np.array([100.0, 100.0, 100.0, 100.0, 100.0])
    found = positions(positions_sql, targets, spot, perp)
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


def test_small_differences_by_hand(positions_sql: str) -> None:
    """Prices stand still: the band is left beyond it, the smallest trade is one that counts."""
    targets = np.array([0.005, 0.015, 0.0150001, 0.03, 0.035, 0.05])
    flat = np.full(len(targets) + 1, 50.0)
    found = positions(positions_sql, targets, flat, flat)
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
@pytest.mark.parametrize("bars", [1, 2, 255, 256, 257, 512, 1500])
def test_any_series_is_walked_as_a_simulator_does(positions_sql: str, bars: int) -> None:
    random = np.random.default_rng(bars)
    targets = 1 + 0.002 * np.cumsum(random.standard_normal(bars))
    spot = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars + 1)))
    perp = spot * (1 + 0.002 * random.standard_normal(bars + 1))
    found = positions(positions_sql, targets, spot, perp)
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
