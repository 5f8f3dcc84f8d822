"""The sample is the same each time, and looks like the market that it stands in for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scripts import sample_data
from tests.conftest import Project, read_metrics


def test_the_same_values_each_time() -> None:
    for first, second in zip(sample_data.simulate(), sample_data.simulate(), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_twelve_months_with_two_known_faults() -> None:
    spot, perp, funding = sample_data.simulate()
    assert len(perp) == 365 * 24 * 12
    assert len(perp) - len(spot) == 24
    missing = perp.loc[~perp["timestamp"].isin(spot["timestamp"]), "timestamp"]
    assert (missing.min(), missing.max() + pd.Timedelta("5min")) == sample_data.SPOT_HALT
    assert len(funding) == 365 * 3 - 1
    assert sample_data.MISSING_PRINT not in set(funding["timestamp"])


def test_prices_are_well_formed() -> None:
    for bars in sample_data.simulate()[:2]:
        assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
        assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
        assert (bars["volume"] > 0).all()
        assert bars["close"].between(10_000, 1_000_000).all()


def test_statistics_of_the_real_thing(sample_project: tuple[Project, Path]) -> None:
    """Figures of BTCUSDT at 1h in brackets, from 2024-10 to 2026-02."""
    project, folder = sample_project
    metrics = read_metrics(folder)
    assert metrics["market"]["correlation"] == pytest.approx(0.9997, abs=5e-5)  # 0.99973
    assert metrics["strategies"]["unhedged"]["volatility"] == pytest.approx(0.45, abs=0.1)  # 0.47
    rows = project.query("select r_spot, basis_bps from prices_merged order by ts")
    squares = rows["r_spot"] ** 2
    assert squares.autocorr(24) > 0.05  # volatility clusters
    assert rows["r_spot"].kurt() > 3  # fat tails
    basis = rows["basis_bps"]
    assert basis.mean() == pytest.approx(-3.5, abs=1)
    assert 0.8 < basis.autocorr(1) < 0.97  # reverts within hours
    assert abs(basis.autocorr(7 * 24)) < 0.2


def test_funding_follows_the_basis() -> None:
    spot, perp, funding = sample_data.simulate()
    bars = perp.merge(spot, on="timestamp", suffixes=("_perp", "_spot"))
    basis = bars["close_perp"] / bars["close_spot"] - 1
    # the 8 hours before a print, named by their end
    premium = basis.groupby(bars["timestamp"].dt.floor("8h") + pd.Timedelta("8h")).mean()
    rates = funding.set_index("timestamp")["funding_rate"].iloc[1:]
    assert rates.corr(premium) > 0.7
    assert rates.max() == 1e-4  # the exchange pulls small premiums up to 1 bp
