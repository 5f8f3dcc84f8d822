"""The walk of a sweep in numpy: against the panel's in SQL, and a simulator, bar by bar."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from scripts import plugin, walk
from tests import reference
from tests.test_rebalance_rules import RULES, positions

TOLERANCE = 1e-12
FEES_BPS, RISK_AVERSION, BLOCK_BARS = 2.0, 3.0, 24


class Panel(NamedTuple):
    """Invented bars, and targets that rules follow."""

    spot: np.ndarray
    perp: np.ndarray
    funding: np.ndarray
    targets: np.ndarray

    @property
    def bars(self) -> walk.Bars:
        """What the walk takes."""
        return walk.Bars(
            self.spot[1:] / self.spot[:-1] - 1,
            self.perp[1:] / self.perp[:-1] - 1,
            self.funding,
            self.perp[:-1] / self.spot[:-1],
            self.spot[:-1] / self.spot[0],
        )


def panel_of(bars: int, seed: int = 0, series: int = 1) -> Panel:
    random = np.random.default_rng([bars, seed])
    spot = 100 * np.exp(np.cumsum(0.01 * random.standard_normal(bars + 1)))
    return Panel(
        spot,
        spot * (1 + 0.002 * random.standard_normal(bars + 1)),
        1e-4 * random.standard_normal(bars),
        1 + 0.002 * np.cumsum(random.standard_normal((series, bars)), axis=1),
    )


def rules_of(*rules: tuple[float, int, float]) -> walk.Rules:
    band, every, min_trade = zip(*rules, strict=True)
    return walk.Rules(np.array(band), np.array(every), np.array(min_trade))


def random_rules(strategies: int, seed: int = 0) -> walk.Rules:
    random = np.random.default_rng(seed)
    return walk.Rules(
        random.choice([0, 0.002, 0.01], strategies),
        random.choice([0, 1, 1, 3, 24], strategies),
        random.choice([0, 0, 0.002, 0.02], strategies),
    )


def walked(
    panel: Panel, series: np.ndarray, rules: walk.Rules
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    net = np.empty((len(panel.funding), len(series)))
    figures = walk.walk(panel.bars, panel.targets, series, rules, FEES_BPS / 1e4, net)
    return figures, net


# the walk's stretches are of 32 bars, those of the panel of 128
@pytest.mark.parametrize("bars", [1, 2, 31, 32, 33, 128, 700])
def test_ratios_are_those_of_the_walk_in_sql(compiled: dict[str, str], bars: int) -> None:
    panel = panel_of(bars)
    series = np.zeros(len(RULES), dtype=int)
    coins = np.concatenate(
        list(
            walk.held_coins(
                panel.targets, series, panel.bars.price_ratio, rules_of(*RULES.values())
            )
        )
    )
    ratios = coins * panel.bars.price_ratio[:, None]
    found = positions(compiled, panel.targets[0], panel.spot, panel.perp)
    for place, name in enumerate(RULES):
        in_sql = np.array([row[1] for row in found[name]])
        np.testing.assert_allclose(ratios[:, place], in_sql, rtol=TOLERANCE, err_msg=name)
        is_held = np.array([row[2] == 0 for row in found[name]])
        stands_still = np.diff(coins[:, place], prepend=0.0) == 0
        if name != "always":
            # the same bars are traded, not ones that end within a rounding
            np.testing.assert_array_equal(stands_still, is_held, err_msg=name)


@pytest.mark.parametrize("bars", [2, 33, 500])
def test_figures_are_those_of_a_simulator(bars: int) -> None:
    panel = panel_of(bars, series=5)
    rules = random_rules(40)
    series = np.random.default_rng(1).integers(0, 5, 40)
    figures, net = walked(panel, series, rules)
    for place in range(40):
        found = {name: values[place] for name, values in figures.items()}
        exact = reference.score(
            reference.Strategy(
                "rolling",
                rebalance_band=rules.band[place],
                rebalance_every=rules.every[place],
                min_trade=rules.min_trade[place],
            ),
            np.arange(bars),
            panel.targets[series[place]],
            panel.bars.r_spot,
            panel.bars.r_fut,
            panel.funding,
            panel.spot[:-1],
            FEES_BPS,
            8760,
        )
        np.testing.assert_allclose(net[:, place], exact["r_net"], rtol=TOLERANCE, atol=1e-15)
        price = panel.bars.r_spot - exact["hedge_ratio"] * panel.bars.r_fut
        away = exact["hedge_ratio"] - panel.targets[series[place], 0]
        expected = {
            "first_target": panel.targets[series[place], 0],
            "turnover": exact["turnover"],
            "funding": exact["funding"],
            "perp_pnl_low": exact["perp_pnl_low"],
            "net": exact["r_net"].sum(),
            "net_squares": (exact["r_net"] ** 2).sum(),
            "price": price.sum(),
            "price_squares": (price**2).sum(),
            "ratio": away.sum(),
            "ratio_squares": (away**2).sum(),
            "growth": np.log1p(exact["total_return"]),
            "growth_low": np.log1p(exact["max_drawdown"]),
            "wealth": 1 + exact["pnl_frac"],
            "wealth_low": 1 + exact["pnl_max_drawdown"],
        }
        assert list(expected) == list(walk.FIGURES)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-11, abs=1e-13), name


def test_a_total_loss_is_not_an_error() -> None:
    """Growth is bounded from below where a bar takes all: dbt's tests refuse such bars."""
    panel = panel_of(3)
    bars = panel.bars._replace(r_spot=np.array([0.1, -1.5, 0.1]))
    figures = walk.walk(
        bars, 0 * panel.targets, np.zeros(1, int), rules_of((0, 1, 0)), 0.0, np.empty((3, 1))
    )
    assert np.isfinite(figures["growth"]).all()
    assert figures["growth_low"] < -600


@pytest.mark.parametrize("bars", [48, 60, 500])
def test_deviations_are_those_of_drawn_bars(bars: int) -> None:
    """Every replicate once more from its bars, one by one."""
    random = np.random.default_rng(bars)
    net = 0.01 * random.standard_normal((bars, 3))
    blocks = -(-bars // BLOCK_BARS)
    places = random.integers(1, bars + 1, (20, blocks))
    places[0] = bars
    sums = np.full((bars + BLOCK_BARS + 1, 3), np.nan)
    sums[1 : bars + 1] = net
    found = walk.block_deviations(sums, places, BLOCK_BARS, RISK_AVERSION)
    mean = net.mean(axis=0)
    score = (net - mean) - RISK_AVERSION / 2 * (net - mean) ** 2
    for drawn, deviation in zip(places, found, strict=True):
        rows = (drawn[:, None] - 1 + np.arange(BLOCK_BARS)).ravel()[:bars] % bars
        np.testing.assert_allclose(
            deviation, score[rows].mean(axis=0) - score.mean(axis=0), rtol=1e-9, atol=1e-15
        )


def in_duckdb(
    panel: Panel, series: np.ndarray, rules: walk.Rules, places: object, threads: int = 1
) -> list[dict]:
    """Return what the function returns to DuckDB."""
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.create_function(
            "sweep_walk",
            walk.sweep_walk,
            [connection.type(text) for text in walk.ARGUMENTS],
            connection.type(walk.RETURNS),
            type="arrow",
            null_handling="special",
        )
        panel_rows = zip(*panel.bars, strict=True)
        bars = [dict(zip(walk.Bars._fields, bar, strict=True)) for bar in panel_rows]
        of_rules = zip(series.tolist(), *(values.tolist() for values in rules), strict=True)
        strategies = [
            {"series": of_series + 1} | dict(zip(walk.Rules._fields, rule, strict=True))
            for of_series, *rule in of_rules
        ]
        rows = connection.execute(
            "select sweep_walk($1, $2, $3, $4, $5, $6, $7)",
            [bars, panel.targets.tolist(), strategies, places, BLOCK_BARS, 2e-4, RISK_AVERSION],
        ).fetchall()
    return rows[0][0]


def test_duckdb_gets_what_the_walk_ends_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the width of the blocks that strategies are walked in."""
    panel, rules = panel_of(300, series=4), random_rules(11)
    series = np.arange(11) % 4
    places = np.random.default_rng(0).integers(1, 301, (7, 13))
    figures, net = walked(panel, series, rules)
    sums = np.concatenate([np.empty((1, 11)), net, np.empty((BLOCK_BARS, 11))])
    deviations = walk.block_deviations(sums, places, BLOCK_BARS, RISK_AVERSION)
    before = sys.getswitchinterval()
    for width in (1024, 4, 1):
        monkeypatch.setattr(walk, "MOST_STRATEGIES", width)
        found = in_duckdb(panel, series, rules, places.tolist())
        assert len(found) == 11
        for place, row in enumerate(found):
            for name in walk.FIGURES:
                assert row[name] == pytest.approx(figures[name][place], rel=TOLERANCE, abs=1e-15)
            np.testing.assert_allclose(
                row["deviations"], deviations[:, place], rtol=1e-9, atol=1e-16
            )
    assert sys.getswitchinterval() == before


def test_a_sample_without_draws_has_figures_alone() -> None:
    found = in_duckdb(panel_of(40), np.zeros(2, int), random_rules(2), None)
    assert [row["deviations"] for row in found] == [[], []]


def test_the_same_bytes_each_time() -> None:
    panel, rules = panel_of(200, series=3), random_rules(30)
    places = np.random.default_rng(0).integers(1, 201, (9, 9)).tolist()
    found = [in_duckdb(panel, np.arange(30) % 3, rules, places, threads) for threads in (1, 2, 4)]
    assert repr(found[0]) == repr(found[1]) == repr(found[2])


def test_a_build_without_a_sweep_has_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would pay for numpy."""
    found = []
    for given in ({}, {"sweep": ""}, {"sweep": "sweep.csv"}):
        monkeypatch.setattr(plugin, "get_flags", lambda given=given: SimpleNamespace(VARS=given))
        with duckdb.connect() as connection:
            plugin.Plugin(name="plugin", plugin_config={}).configure_connection(connection)
            named = "select count(*) from duckdb_functions() where function_name = 'sweep_walk'"
            found.append(connection.execute(named).fetchone()[0])
    assert found == [0, 0, 1]


def test_what_does_not_fit_is_refused() -> None:
    panel, rules, series = panel_of(40), random_rules(2), np.zeros(2, int)
    shorter = panel._replace(targets=panel.targets[:, :-1])
    with pytest.raises(ValueError, match="39 targets a series, but 40 bars"):
        walked(shorter, series, rules)
    with pytest.raises(ValueError, match="3 strategies, but 2 rules"):
        walked(panel, np.zeros(3, int), rules)
    missing = panel._replace(targets=np.where(np.arange(40) == 7, np.nan, panel.targets))
    with pytest.raises(ValueError, match="a target is missing"):
        walked(missing, series, rules)
    ragged = pa.array([[1.0, 2.0], [3.0]])
    with pytest.raises(ValueError, match="differ in length"):
        walk._matrix(ragged)
    with pytest.raises(ValueError, match="1 of 2 numbers are missing"):
        walk._numbers(pa.array([1.0, None]))
