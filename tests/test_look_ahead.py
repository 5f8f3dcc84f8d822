"""No ratio knows its own bar: disturbing a bar changes no ratio up to and including it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests import reference
from tests.conftest import Project, write_parquet
from tests.test_inputs import PRINT_TIMES, TIMES, prices

OWN_BAR_UNKNOWN = ["unhedged", "naive", "rolling_ols", "vol_scaled", *reference.more_strategies()]


@pytest.fixture(scope="module")
def ratios(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """The ratios of the data as they are, and with the last bar of both legs disturbed."""
    project = new_project()
    with (project.root / "data" / "seeds" / "hedge_strategies.csv").open("a") as seed:
        seed.write(reference.MORE_ROWS)
    folder = tmp_path_factory.mktemp("disturbed")
    write_parquet(
        folder / "funding.parquet",
        pd.DataFrame({"timestamp": PRINT_TIMES, "rate": 1e-4, "symbol": "BTCUSDT"}),
    )
    found = {}
    for name, factor in (("as it is", 1.0), ("disturbed", 1.5)):
        for leg, close in zip(("spot", "perp"), prices(), strict=True):
            close[-1] *= factor**2 if leg == "spot" else factor
            frame = pd.DataFrame({"timestamp": TIMES, "close": close, "symbol": "BTCUSDT"})
            write_parquet(folder / f"{leg}.parquet", frame)
        project.build(
            **{leg: str(folder / f"{leg}.parquet") for leg in ("spot", "perp", "funding")},
            beta_window=24,
            vol_window=6,
        )
        found[name] = project.query(
            "select strategy, ts, hedge_ratio, is_next_bar"
            " from int_targets join int_merged_bars using (market, row_index)"
            " join int_strategies using (timeframe, target) order by strategy, ts"
        )
    return found


@pytest.mark.parametrize("strategy", OWN_BAR_UNKNOWN)
def test_ratios_up_to_a_disturbed_bar_stay_bit_identical(
    ratios: dict[str, pd.DataFrame], strategy: str
) -> None:
    before, after = (
        frame[(frame["strategy"] == strategy) & ~frame["is_next_bar"]].reset_index(drop=True)
        for frame in ratios.values()
    )
    assert before["ts"].max() == TIMES[-1].tz_localize(None)
    assert before["hedge_ratio"].notna().sum() > 100
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.parametrize("strategy", ["rolling_ols", "vol_scaled", "static_ols"])
def test_the_disturbance_is_seen_where_it_may_be(
    ratios: dict[str, pd.DataFrame], strategy: str
) -> None:
    """The next order knows the disturbed bar, and so does the in-sample slope, everywhere."""
    before, after = (
        frame[(frame["strategy"] == strategy) & frame["is_next_bar"]]["hedge_ratio"].item()
        for frame in ratios.values()
    )
    assert before != after


def test_the_first_frame_is_the_720_returns_before_it(sample_project: tuple[Project, Path]) -> None:
    project, _ = sample_project
    first = project.query(
        "select min(row_index) as row_index from int_targets join int_strategies using (target)"
        " where strategy = 'rolling_ols' and hedge_ratio is not null"
    )
    assert first["row_index"].item() == 722
