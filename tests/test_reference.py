"""The models against the step-by-step implementation in reference.py, β against statsmodels.

The series are invented, with everything that goes wrong in real ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.rolling import RollingOLS
from statsmodels.tools import add_constant

from tests import reference
from tests.conftest import Project, write_parquet

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
START_MS = int(pd.Timestamp("2025-03-01").timestamp() * 1000)
WINDOWS = {"beta_window": 24, "vol_window": 6, "vol_target": 0.6}
# estimates and sums of a few hundred rows, by two orders of addition
TOLERANCE = 1e-9

# symbol: (raw step in minutes, hours, gaps as (leg, first hour, hours), print hours)
CASES = {
    "CLEANUSDT": (15, 400, [], range(0, 400, 8)),
    "HALTEDUSDT": (
        15,
        400,
        [("spot", 100, 5), ("perp", 200, 1), ("spot", 300, 26)],
        range(0, 400, 8),
    ),
    "RAGGEDUSDT": (30, 300, [("perp", 50 + 9 * k, 1) for k in range(20)], range(0, 300, 8)),
    "HOURLYUSDT": (
        60,
        300,
        [("spot", 60, 2)],
        [*range(0, 96, 8), *range(96, 140), *range(140, 300, 4)],
    ),
    "LATEUSDT": (5, 200, [("spot", 0, 3), ("perp", 0, 1)], [30, 38, 62, 70, 100]),
    "LONEUSDT": (20, 150, [("perp", 140, 10)], [10]),
}


def make_series(symbol: str) -> dict[str, pd.DataFrame]:
    """Return spot, perp and funding of a case, values from a seed of its own."""
    step, hours, gaps, print_hours = CASES[symbol]
    random = np.random.default_rng(sorted(CASES).index(symbol))
    times = START_MS + np.arange(0, hours * 60, step) * MINUTE_MS
    spot = 50 * np.exp(np.cumsum(0.004 * random.standard_normal(len(times))))
    perp = spot * (1 + 0.001 * random.standard_normal(len(times)))
    frames = {}
    for leg, close in (("spot", spot), ("perp", perp)):
        keep = np.ones(len(times), dtype=bool)
        for gap_leg, first, length in gaps:
            begin = START_MS + first * HOUR_MS
            if gap_leg == leg:
                keep &= (times < begin) | (times >= begin + length * HOUR_MS)
        frames[leg] = pd.DataFrame({"timestamp": times[keep], "close": close[keep]})
    # exchanges stamp a few milliseconds late
    stamps = [START_MS + hour * HOUR_MS + int(random.integers(0, 40)) for hour in print_hours]
    rates = 1e-4 * random.standard_normal(len(stamps))
    frames["funding"] = pd.DataFrame({"timestamp": stamps, "funding_rate": rates})
    return frames


@pytest.fixture(scope="module")
def built(new_project: Callable[[], Project]) -> tuple[Project, dict[str, dict[str, pd.DataFrame]]]:
    """A build of every case at 1h: a file a leg and symbol, in one go."""
    project = new_project()
    series = {symbol: make_series(symbol) for symbol in CASES}
    for symbol, frames in series.items():
        for leg, frame in frames.items():
            write_parquet(project.root / "in" / f"{leg}_{symbol}.parquet", frame)
    with (project.root / "data" / "seeds" / "hedge_strategies.csv").open("a") as seed:
        seed.write(reference.MORE_ROWS)
    project.build(
        spot="in/spot_*.parquet",
        perp="in/perp_*.parquet",
        funding="in/funding_*.parquet",
        # the windows as durations, which are as many hours
        fees_bps=2,
        slippage_bps=0.5,
        beta_window="1d",
        vol_window="6h",
        vol_target=WINDOWS["vol_target"],
    )
    return project, series


def expected(frames: dict[str, pd.DataFrame]) -> dict[str, dict]:
    """Return what the reference makes of a case."""
    prints = [
        (round(ts / 1000) * 1000, rate) for ts, rate in frames["funding"].itertuples(index=False)
    ]
    return reference.hedge(
        tuple(frames["spot"].to_numpy().T),
        tuple(frames["perp"].to_numpy().T),
        prints,
        HOUR_MS,
        2.5,
        reference.default_strategies(**WINDOWS) | reference.more_strategies(**WINDOWS),
    )


@pytest.mark.parametrize("symbol", CASES)
def test_every_bar_and_figure_equals_the_reference(built: tuple, symbol: str) -> None:
    project, series = built
    strategies = expected(series[symbol])
    assert strategies
    rows = project.query(f"from returns_decomposed where symbol = '{symbol}' order by strategy, ts")
    metrics = project.query(f"from hedge_metrics where symbol = '{symbol}'").set_index("strategy")
    for name, figures in strategies.items():
        of_strategy = rows[rows["strategy"] == name]
        times = of_strategy["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)
        np.testing.assert_array_equal(times, figures["ts"])
        for column in ("hedge_ratio", "trade", "r_net"):
            np.testing.assert_allclose(
                of_strategy[column], figures[column], rtol=0, atol=TOLERANCE, err_msg=column
            )
        for column in metrics.columns.drop(["symbol", "timeframe"]):
            assert metrics.loc[name, column] == pytest.approx(
                figures[column], rel=TOLERANCE, abs=TOLERANCE
            ), (name, column)


def test_slippage_is_a_part_of_the_cost_of_each_trade(built: tuple) -> None:
    rows = built[0].query("select trade, r_fees, r_slippage from returns_decomposed")
    np.testing.assert_allclose(rows["r_slippage"], -0.5e-4 * rows["trade"].abs(), atol=1e-15)
    np.testing.assert_allclose(rows["r_fees"], 5 * rows["r_slippage"], atol=1e-15)
    assert (rows["r_slippage"] < 0).any()


def test_cases_meet_what_they_are_meant_to(built: tuple) -> None:
    """The comparison would be empty if no case held a ratio or missed a print."""
    project, _ = built
    held = project.query("select distinct symbol from beta_series where status = 'held'")
    assert "RAGGEDUSDT" in set(held["symbol"])
    missing = project.query(
        "select distinct symbol from data_incidents where kind = 'missing_print'"
    )
    assert {"LATEUSDT", "LONEUSDT"} <= set(missing["symbol"])
    gaps = project.query("select max(bars_elapsed) as longest from prices_merged")
    assert gaps["longest"].item() == 27


def test_rolling_beta_equals_statsmodels(built: tuple) -> None:
    project, _ = built
    window = WINDOWS["beta_window"]
    rows = project.query(
        "select r_spot, r_fut, beta from beta_series join prices_merged"
        " using (symbol, timeframe, ts) where strategy = 'rolling_ols'"
        " and symbol = 'CLEANUSDT' order by ts"
    )
    fitted = RollingOLS(rows["r_spot"], add_constant(rows["r_fut"]), window=window).fit()
    # statsmodels names a frame by its last row, the contract by the bar after it
    betas = fitted.params["r_fut"].shift(1)
    assert betas.notna().sum() == len(rows) - window
    np.testing.assert_allclose(rows["beta"], betas, rtol=0, atol=TOLERANCE)
