"""Figures of real market data, computed independently of DuckDB, as golden values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests import reference
from tests.conftest import MARKET_DATA, Project, needs_market_data, read_metrics
from tests.test_uncertainty import BLOCK_DAYS, REPLICATES

pytestmark = needs_market_data

TOLERANCE = 1e-7
FIGURES = (
    "variance_reduction sharpe max_drawdown turnover funding total_return pnl_frac perp_pnl_low"
).split()
BTC_1H = {
    "unhedged": (0, 0.09725576046, -0.5007596945, 0, 0, -0.07992670786, -0.07992670786, 0),
    "naive": (
        0.999453695,
        5.678661145,
        -0.002219244381,
        1.955154877,
        0.08045799,
        0.08427132417,
        0.1122891972,
        -0.745900186,
    ),
    "static_ols": (
        0.9994536933,
        5.678570958,
        -0.002217446691,
        1.955050077,
        0.0804536773,
        0.084270066,
        0.1122788941,
        -0.7458602044,
    ),
    "rolling_ols": (
        0.9994545901,
        5.697120604,
        -0.002108012593,
        2.054549043,
        0.08033525856,
        0.08448472064,
        0.1121826216,
        -0.7459136125,
    ),
    "vol_scaled": (
        0.9355799055,
        1.146383464,
        -0.09091667147,
        61.37636146,
        0.07490483283,
        0.1833430702,
        0.1956211155,
        -0.5823544694,
    ),
}
BNB_1H = (
    0.9987548068,
    -0.5533653318,
    -0.02440567112,
    2.364838945,
    -0.01572352671,
    -0.0115114323,
    -0.007713297863,
    -1.03087708,
)
DOGE_1H = (
    0.9996867757,
    2.563490634,
    -0.005936928179,
    2.103936008,
    0.04096841322,
    0.0438339267,
    0.02775106252,
    -0.03892571789,
)
BTC_4H = (
    0.9998027114,
    9.491194313,
    -0.001537596837,
    1.38650869,
    0.08030213476,
    0.08425288833,
    0.1118489117,
    -0.7333051918,
)


def raw(leg: str, symbol: str) -> Path:
    """Return the path, or the pattern, of a leg's raw files."""
    return MARKET_DATA / "raw" / f"binance_{leg}_{symbol}.parquet"


@pytest.fixture(scope="module")
def three_symbols(new_project: Callable[[], Project]) -> tuple[Project, dict[str, Path], str]:
    """A run at 1h over everything there is: project, run folders by symbol, stderr."""
    project = new_project()
    done = project.run(
        "--spot",
        raw("spot", "*"),
        "--perp",
        raw("perp", "*"),
        "--funding",
        raw("funding", "*"),
        "--timeframe",
        "1h",
        "--fees_bps",
        1,
        "--out",
        "out",
    )
    assert done.returncode == 0, done.stderr
    folders = {Path(line).parent.name: Path(line) for line in done.stdout.splitlines()}
    return project, folders, done.stderr


def assert_figures(actual: dict[str, float], expected: tuple[float, ...]) -> None:
    """Compare the golden figures of one strategy."""
    assert {name: actual[name] for name in FIGURES} == pytest.approx(
        dict(zip(FIGURES, expected, strict=True)), rel=TOLERANCE, abs=1e-12
    )


@pytest.mark.parametrize("strategy", BTC_1H)
def test_bitcoin_at_one_hour(three_symbols: tuple, strategy: str) -> None:
    metrics = read_metrics(three_symbols[1]["BTCUSDT"])
    assert metrics["sample"]["merged_bars"] == 12_160
    assert metrics["sample"]["evaluated_bars"] == 11_439
    assert metrics["sample"]["start"] == "2024-10-31T01:00:00Z"
    assert metrics["market"]["beta_static"] == pytest.approx(0.9999463982, rel=TOLERANCE)
    assert metrics["market"]["correlation"] == pytest.approx(0.9997256892, rel=TOLERANCE)
    assert_figures(metrics["strategies"][strategy], BTC_1H[strategy])


@pytest.mark.parametrize(("symbol", "expected"), [("BNBUSDT", BNB_1H), ("DOGEUSDT", DOGE_1H)])
def test_other_symbols_in_the_same_run(three_symbols: tuple, symbol: str, expected: tuple) -> None:
    metrics = read_metrics(three_symbols[1][symbol])
    assert metrics["sample"]["evaluated_bars"] == 9_256
    assert_figures(metrics["strategies"]["rolling_ols"], expected)


@pytest.mark.parametrize("strategy", ["naive", "naive_hold", "rolling_ols_band"])
def test_positions_on_real_bars_are_those_of_a_simulator(
    three_symbols: tuple, strategy: str
) -> None:
    rows = three_symbols[0].query(
        "select betas.hedge_ratio as target, returns.hedge_ratio, trade,"
        "   lag(close_perp) over by_time as perp, lag(close_spot) over by_time as spot"
        " from prices_merged as prices"
        " left join beta_series as betas using (symbol, timeframe, ts)"
        " left join returns_decomposed as returns using (symbol, timeframe, strategy, ts)"
        f" where symbol = 'BTCUSDT' and coalesce(betas.strategy, '{strategy}') = '{strategy}'"
        " window by_time as (order by ts) order by ts"
    )
    rows = rows[rows["hedge_ratio"].notna()]
    rule = reference.default_strategies()[strategy]
    coins, worst = 0.0, 0.0
    for bar, row in enumerate(rows.itertuples()):
        before = coins * row.perp / row.spot
        held = row.target if rule.trades(bar, row.target, before) else before
        worst = max(worst, abs(row.hedge_ratio - held), abs(row.trade - (held - before)))
        coins = held * row.spot / row.perp
    assert len(rows) == 11_439
    assert worst < 1e-12


def test_funding_against_the_short_is_said(three_symbols: tuple) -> None:
    assert "Funding went against the short: rolling_ols paid 1.57%" in three_symbols[2]


def test_intervals_of_bitcoin_agree_with_numpy(three_symbols: tuple) -> None:
    """Errors of the rows drawn anew, with numpy's own draws: to a tenth, as chance allows."""
    project, _, _ = three_symbols
    returns = project.query("from returns_decomposed where symbol = 'BTCUSDT'").pivot(
        index="ts", columns="strategy", values="r_net"
    )
    bars, block_bars = len(returns), BLOCK_DAYS * 24
    net = returns[["rolling_ols", "naive"]].to_numpy()
    random = np.random.default_rng(24)
    sharpes = []
    for _ in range(REPLICATES):
        starts = random.integers(0, bars, -(-bars // block_bars))
        rows = (starts[:, None] + np.arange(block_bars)).ravel()[:bars] % bars
        drawn = net[rows]
        sharpes.append(drawn.mean(axis=0) / drawn.std(axis=0, ddof=1) * np.sqrt(8760))
    sharpes = np.array(sharpes)
    found = project.query(
        "from hedge_intervals where symbol = 'BTCUSDT' and strategy = 'rolling_ols'"
    ).set_index("metric")
    for metric, drawn in (
        ("sharpe", sharpes[:, 0]),
        ("sharpe_vs_naive", sharpes[:, 0] - sharpes[:, 1]),
    ):
        row = found.loc[metric]
        assert row["std_error"] == pytest.approx(drawn.std(ddof=1), rel=0.1)
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert found.loc["sharpe", "estimate"] == pytest.approx(5.697120604, rel=1e-7)


def test_a_ratio_of_one_is_enough_for_bitcoin(three_symbols: tuple) -> None:
    (verdict,) = (
        three_symbols[0].query("from hedge_verdict where symbol = 'BTCUSDT'").to_dict("records")
    )
    assert not verdict["is_replaced"]
    assert verdict["verdict"].startswith("BTCUSDT 1h: β = 1 ")
    assert verdict["mean_funding_rate"] == pytest.approx(0.08045799 / 11_439 * 8, rel=1e-6)
    # far below what was paid: the hedge earned its keep
    assert abs(verdict["break_even_funding_rate"]) < 0.1 * verdict["mean_funding_rate"]
    assert verdict["indifferent_funding_rate"] < verdict["break_even_funding_rate"]


def test_bitcoin_at_four_hours(project: Project) -> None:
    metrics = project.build(
        spot=str(raw("spot", "BTCUSDT_5m")),
        perp=str(raw("perp", "BTCUSDT_5m")),
        funding=str(raw("funding", "BTCUSDT")),
        timeframe="4h",
        beta_window=180,
    )["BTCUSDT"]
    assert metrics["sample"]["evaluated_bars"] == 2_859
    assert_figures(metrics["strategies"]["rolling_ols"], BTC_4H)


def test_known_faults_are_found(three_symbols: tuple) -> None:
    """The perp's candles stood still during three outages of the exchange's price feed."""
    flat = three_symbols[0].query(
        "select ts, ts_end from data_incidents where symbol = 'BTCUSDT' and source = 'perp'"
        " and kind = 'flat_bars'"
    )
    for outage in ("2024-10-28 20:00", "2024-10-28 21:05", "2025-01-29 01:25", "2025-08-29 06:20"):
        ts = pd.Timestamp(outage)
        assert ((flat["ts"] <= ts) & (ts < flat["ts_end"])).any(), outage


def test_only_one_crash_went_beyond_the_bounds(three_symbols: tuple) -> None:
    """The crash of 2025-10-10, in BNB and DOGE; Bitcoin's legs stayed within 100 bp."""
    beyond = three_symbols[0].query(
        "select distinct symbol, ts::date as day from data_incidents"
        " where kind in ('price_jump', 'basis_beyond_bound', 'perp_equals_spot') order by symbol"
    )
    crash = pd.Timestamp("2025-10-10")
    assert beyond.values.tolist() == [["BNBUSDT", crash], ["DOGEUSDT", crash]]


@pytest.fixture(scope="module")
def odd_spans(new_project: Callable[[], Project]) -> Project:
    """A build of a clean month, and of the published notebook's sample, in one go."""
    project = new_project()
    february = "timestamp >= '2025-02-01 00:00+00' and timestamp < '2025-03-01 00:00+00'"
    sources = {
        "CLEANMONTH": (
            {leg: raw(leg, "BTCUSDT_5m") for leg in ("spot", "perp")}
            | {"funding": raw("funding", "BTCUSDT")},
            february,
        ),
        "NOTEBOOK": (
            {
                leg: MARKET_DATA / "reference" / f"{leg}_BTCUSDT_1h.parquet"
                for leg in ("spot", "perp")
            }
            | {"funding": MARKET_DATA / "reference" / "funding_BTCUSDT.parquet"},
            "true",
        ),
    }
    with duckdb.connect() as connection:
        for symbol, (legs, condition) in sources.items():
            for leg, path in legs.items():
                connection.execute(
                    f"copy (select columns(lambda name: name <> 'symbol'), '{symbol}' as symbol"
                    f" from '{path}' where {condition})"
                    f" to '{project.root}/{leg}_{symbol}.parquet'"
                )
    project.build(
        **{leg: f"{leg}_*.parquet" for leg in ("spot", "perp", "funding")}, beta_window=168
    )
    return project


def test_a_clean_month_raises_no_alarm(odd_spans: Project) -> None:
    assert odd_spans.query("from data_incidents where symbol = 'CLEANMONTH'").empty
    coverage = odd_spans.query("from coverage where symbol = 'CLEANMONTH' order by source")
    assert coverage["bars_present"].tolist()[1:] == [28 * 288, 28 * 288]
    assert coverage["prints_expected"][0] == coverage["prints_present"][0] == 28 * 3
    assert (coverage["share"] == 1).all()


def test_the_notebooks_false_close_is_found(odd_spans: Project) -> None:
    """Its perp close of the outage of 2024-10-28 is none that the bar had."""
    found = odd_spans.query(
        "select kind, ts, affected from data_incidents where symbol = 'NOTEBOOK'"
        " and source = 'perp' order by kind"
    )
    outage = pd.Timestamp("2024-10-28 20:00")
    assert found.values.tolist() == [["crossed_prices", outage, 1], ["flat_bars", outage, 1]]


def test_legs_of_different_spans_are_told(three_symbols: tuple) -> None:
    spans = three_symbols[0].query(
        "select source, affected from data_incidents where kind = 'span_differs'"
        " and symbol = 'BNBUSDT'"
    )
    assert spans.to_dict("records") == [{"source": "spot", "affected": 70}]


# naive's price-only variance reduction over all bars, computed independently of DuckDB
EFFECTIVENESS = {"5m": 0.9960, "15m": 0.9982, "1h": 0.9995, "4h": 0.9998}


def test_longer_bars_hedge_better(new_project: Callable[[], Project]) -> None:
    project = new_project()
    seed = project.root / "data" / "seeds" / "hedge_strategies.csv"
    rows = seed.read_text().splitlines(keepends=True)
    seed.write_text("".join(row for row in rows if not re.match("static|rolling|vol_", row)))
    project.build(
        strategy="naive",
        spot=str(raw("spot", "BTCUSDT_5m")),
        perp=str(raw("perp", "BTCUSDT_5m")),
        funding=str(raw("funding", "BTCUSDT")),
        timeframe=list(EFFECTIVENESS),
    )
    reductions = project.query(
        "select timeframe, variance_reduction_price from hedge_metrics where strategy = 'naive'"
    ).set_index("timeframe")["variance_reduction_price"]
    closes = {
        leg: pd.read_parquet(raw(leg, "BTCUSDT_5m"), columns=["timestamp", "close"]).set_index(
            "timestamp"
        )["close"]
        for leg in ("spot", "perp")
    }
    # after the first bar of 4h, which has no return
    start = pd.Timestamp("2024-10-01 04:00", tz="UTC")
    for timeframe, known in EFFECTIVENESS.items():
        size = timeframe.replace("m", "min")
        legs = pd.DataFrame({leg: close.resample(size).last() for leg, close in closes.items()})
        returns = legs.pct_change().dropna()
        removed = 1 - (returns["spot"] - returns["perp"]).var() / returns["spot"].var()
        assert removed == pytest.approx(known, abs=5e-5)
        evaluated = returns[returns.index >= start]
        removed = 1 - (evaluated["spot"] - evaluated["perp"]).var() / evaluated["spot"].var()
        assert reductions[timeframe] == pytest.approx(removed, rel=1e-9), timeframe
