"""Figures by month and volatility, tails and attribution, against pandas on the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Project

TOLERANCE = 1e-9
HOURS_PER_YEAR = 365 * 24


@pytest.fixture(scope="module")
def returns(sample_project: tuple[Project, Path]) -> pd.DataFrame:
    """Every evaluated bar, with the volatility before it."""
    return sample_project[0].query(
        "select returns.*, vols.realized_vol from returns_decomposed as returns"
        " left join beta_series as vols using (symbol, timeframe, strategy, ts)"
        " order by strategy, ts"
    )


def figures(bars: pd.DataFrame) -> dict[str, float]:
    """Return the figures of one strategy's bars."""
    net, spot = bars["r_net"], bars["r_spot"]
    worst = np.sort(net.to_numpy())[: int(np.ceil(len(net) / 20))]
    return {
        "bars": len(bars),
        "variance_reduction": 1 - net.var() / spot.var(),
        "variance_reduction_price": 1 - (spot + bars["r_hedge"]).var() / spot.var(),
        "sharpe": net.mean() / net.std() * np.sqrt(HOURS_PER_YEAR),
        "volatility": net.std() * np.sqrt(HOURS_PER_YEAR),
        "expected_shortfall_95": worst.mean(),
        "fees": bars["r_fees"].sum(),
        "funding": bars["r_funding"].sum(),
        "total_return": (1 + net).prod() - 1,
    }


def test_months_and_terciles_are_those_of_the_bars(
    sample_project: tuple[Project, Path], returns: pd.DataFrame
) -> None:
    found = sample_project[0].query("from hedge_metrics_by_regime")
    known = sample_project[0].query(
        "select distinct ts, realized_vol from beta_series where realized_vol is not null"
        " order by ts"
    )
    terciles = {}
    for place, (ts, volatility) in enumerate(known.itertuples(index=False)):
        past = known["realized_vol"].to_numpy()[:place]
        if place >= 30:
            rank = (past < volatility).sum()
            terciles[ts] = ["low", "middle", "high"][min(3 * rank // place, 2)]
    months = returns["ts"].dt.strftime("%Y-%m")
    kinds = {"month": months, "volatility": returns["ts"].map(terciles)}
    compared = 0
    for kind, regimes in kinds.items():
        for (strategy, regime), bars in returns.groupby([returns["strategy"], regimes]):
            (row,) = found[
                (found["strategy"] == strategy)
                & (found["regime_kind"] == kind)
                & (found["regime"] == regime)
            ].to_dict("records")
            for name, value in figures(bars).items():
                assert row[name] == pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE), name
            compared += 1
    # seven strategies; eleven or twelve months and three terciles
    assert compared == len(found) >= 7 * 14
    shares = found.groupby(["strategy", "regime_kind"])["share_of_bars"].sum()
    assert shares.to_numpy() == pytest.approx(1)


def test_tails_are_those_of_the_bars(
    sample_project: tuple[Project, Path], returns: pd.DataFrame
) -> None:
    tails = sample_project[0].query("from hedge_tails").set_index("strategy")
    for strategy, bars in returns.groupby("strategy"):
        week = bars["ts"].dt.to_period("W-SUN").dt.start_time
        growth = (1 + bars["r_net"]).groupby(week).agg(["prod", "size"])
        weekly = growth.loc[growth["size"] >= 5 * 24, "prod"] - 1
        row = tails.loc[strategy]
        assert row["worst_week"] == pytest.approx(weekly.min(), abs=TOLERANCE)
        assert row["worst_week_start"] == weekly.idxmin()
        assert row["worst_bar"] == bars["r_net"].min()
        assert row["worst_bar_ts"] == bars.loc[bars["r_net"].idxmin(), "ts"]
        assert row["expected_shortfall_95"] == pytest.approx(
            figures(bars)["expected_shortfall_95"], abs=TOLERANCE
        )


def test_attribution_is_that_of_the_bars(
    sample_project: tuple[Project, Path], returns: pd.DataFrame
) -> None:
    found = sample_project[0].query("from carry_attribution").set_index(["strategy", "month"])
    parts = returns.assign(
        basis=returns["hedge_ratio"] * (returns["r_spot"] - returns["r_fut"]),
        unhedged=(1 - returns["hedge_ratio"]) * returns["r_spot"],
        funding=returns["r_funding"],
        fees=returns["r_fees"],
        net=returns["r_net"],
        month=returns["ts"].dt.to_period("M").dt.start_time,
    )
    names = ["basis", "funding", "fees", "unhedged", "net"]
    expected = parts.groupby(["strategy", "month"])[names].sum()
    assert len(found) == len(expected) > 70
    for name in names:
        np.testing.assert_allclose(
            found[name].sort_index(), expected[name].sort_index(), atol=TOLERANCE, err_msg=name
        )


def test_the_plot_looks_back_thirty_days(
    sample_project: tuple[Project, Path], returns: pd.DataFrame
) -> None:
    bars = returns[returns["strategy"] == "vol_scaled"].set_index("ts")
    found = (
        sample_project[0]
        .query(
            "select ts, variance_reduction from plot_rolling_variance_reduction"
            " where strategy = 'vol_scaled' order by ts"
        )
        .set_index("ts")["variance_reduction"]
    )
    expected = 1 - bars["r_net"].rolling(720).var() / bars["r_spot"].rolling(720).var()
    assert found.isna().sum() == 719
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_cost_and_risk_of_a_day(sample_project: tuple[Project, Path]) -> None:
    project, _ = sample_project
    rows = project.query("select strategy, r_fees, r_net from returns_decomposed")
    points = project.query("from plot_cost_risk").set_index("strategy")
    assert set(points.index) == set(rows["strategy"]) - {"unhedged"}
    assert not points["is_sweep"].any()
    for strategy, point in points.iterrows():
        bars = rows[rows["strategy"] == strategy]
        years = len(bars) / 8760
        assert point["cost_bps_per_year"] == pytest.approx(-1e4 * bars["r_fees"].sum() / years)
        assert point["risk_bps_per_root_day"] == pytest.approx(
            1e4 * bars["r_net"].std() * np.sqrt(24)
        )
