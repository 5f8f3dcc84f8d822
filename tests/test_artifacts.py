"""A run folder keeps its contract: its figures follow from its CSVs alone."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.summary import summary
from tests.conftest import Project, read_metrics

COLUMNS = {
    "spot_snapshot": "symbol timeframe ts open high low close volume raw_bars",
    "perp_snapshot": "symbol timeframe ts open high low close volume raw_bars",
    "funding_snapshot": "symbol ts funding_rate",
    "prices_merged": "symbol timeframe ts close_spot close_perp basis_bps r_spot r_fut"
    " funding_rate bars_elapsed is_gap",
    "beta_series": "symbol timeframe strategy ts beta realized_vol vol_scale hedge_ratio status",
    "returns_decomposed": "symbol timeframe strategy ts hedge_ratio trade r_spot r_fut r_hedge"
    " r_funding r_fees r_slippage r_net cum_log_return drawdown",
}
PLOTS = (
    "cumlogret",
    "rolling_vol",
    "rolling_variance_reduction",
    "beta_vs_funding",
    "variance_components",
    "cost_risk_frontier",
)
LOG_KEYS = (
    "symbol timeframe seq decision_ts strategy price_spot price_perp hedge_ratio_before"
    " hedge_ratio_target order_side hold_reason order_notional_frac order_qty est_fee_frac beta"
    " realized_vol status incident r_spot r_fut r_hedge r_funding r_fees r_net data_age_hours"
).split()


@pytest.fixture(scope="module")
def folder(sample_project: tuple[Project, Path]) -> Path:
    return sample_project[1]


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(folder / f"{name}.csv") for name in COLUMNS}


def strict_json(text: str) -> dict:
    """Parse JSON that may hold neither NaN nor Infinity."""

    def refuse(token: str) -> None:
        raise ValueError(token)

    return json.loads(text, parse_constant=refuse)


def test_the_folder_holds_what_it_should_and_nothing_else(folder: Path) -> None:
    expected = {f"{name}.csv" for name in COLUMNS} | {f"{name}.png" for name in PLOTS}
    expected |= {"metrics.json", "verdict.json", "metadata.json", "paper_rebalance_log.jsonl"}
    expected |= {"report.html"}
    assert {path.name for path in folder.iterdir()} == expected
    assert (folder.parent / "latest").resolve() == folder
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, "latest"}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_times_and_order(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    assert list(table.columns) == COLUMNS[name].split()
    assert table["ts"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    key = ["strategy", "ts"] if "strategy" in table else ["ts"]
    assert len(table) > 1_000
    assert table[key].apply(tuple, axis=1).is_monotonic_increasing
    assert not table.duplicated(key).any()


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_drawn(folder: Path, name: str) -> None:
    content = (folder / f"{name}.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 10_000


def test_snapshots_are_the_bars_that_were_merged(tables: dict[str, pd.DataFrame]) -> None:
    spot, perp = (tables[f"{leg}_snapshot"].set_index("ts")["close"] for leg in ("spot", "perp"))
    merged = tables["prices_merged"].set_index("ts")
    assert list(merged.index) == sorted(set(spot.index) & set(perp.index))
    pd.testing.assert_series_equal(spot[merged.index], merged["close_spot"], check_names=False)
    pd.testing.assert_series_equal(perp[merged.index], merged["close_perp"], check_names=False)
    assert (tables["perp_snapshot"]["raw_bars"] == 12).all()


def test_bars_are_resampled_from_raw_bars(
    sample_project: tuple[Project, Path], tables: dict[str, pd.DataFrame]
) -> None:
    project, _ = sample_project
    path = project.root / "data" / "raw" / "binance_spot_BTCUSDT_sample_5m.parquet"
    raw = project.query(
        f"select * replace (timestamp at time zone 'UTC' as timestamp) from '{path}'"
    ).set_index("timestamp")
    hourly = raw.resample("1h").agg(
        {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )[raw["close"].resample("1h").count() > 0]
    spot = tables["spot_snapshot"]
    assert list(spot["ts"]) == list(hourly.index.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for column in hourly.columns:
        np.testing.assert_allclose(spot[column], hourly[column], rtol=1e-12, err_msg=column)


def test_basis_and_paths_follow_from_the_rows(tables: dict[str, pd.DataFrame]) -> None:
    merged = tables["prices_merged"]
    basis = (merged["close_perp"] - merged["close_spot"]) / merged["close_spot"] * 10_000
    np.testing.assert_allclose(merged["basis_bps"], basis, atol=1e-9)
    for _, rows in tables["returns_decomposed"].groupby("strategy"):
        np.testing.assert_allclose(
            rows["cum_log_return"], np.cumsum(np.log1p(rows["r_net"])), atol=1e-12
        )
        growth = np.cumprod(1 + rows["r_net"])
        peak = np.maximum.accumulate(np.maximum(growth, 1))
        np.testing.assert_allclose(rows["drawdown"], growth / peak - 1, atol=1e-12)


def test_ratios_are_scaled_betas(tables: dict[str, pd.DataFrame]) -> None:
    betas = tables["beta_series"]
    known = betas[betas["status"] == "ok"]
    np.testing.assert_array_equal(known["hedge_ratio"], known["beta"] * known["vol_scale"])
    assert (betas.loc[betas["strategy"] != "vol_scaled", "vol_scale"] == 1).all()
    scaled = betas[(betas["strategy"] == "vol_scaled") & betas["realized_vol"].notna()]
    np.testing.assert_allclose(
        scaled["vol_scale"], np.minimum(1, 0.5 / scaled["realized_vol"]), rtol=1e-12
    )
    assert 0 < (scaled["vol_scale"] < 1).mean() < 1


def test_figures_follow_from_the_rows(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    metrics = read_metrics(folder)
    prices = tables["prices_merged"].set_index("ts")
    for name, rows in tables["returns_decomposed"].groupby("strategy"):
        said = metrics["strategies"][name]
        net, spot, trade = (rows[column].to_numpy() for column in ("r_net", "r_spot", "trade"))
        growth = np.concatenate([[1], np.cumprod(1 + net)])
        start_price = prices["close_spot"].shift()[rows["ts"]].to_numpy()
        money = start_price / start_price[0]
        wealth = np.concatenate([[1], 1 + np.cumsum(money * net)])
        perp = np.cumsum(money * rows["r_hedge"].to_numpy())
        expected = {
            "bars": metrics["sample"]["evaluated_bars"],
            "hedge_ratio_mean": rows["hedge_ratio"].mean(),
            "hedge_ratio_std": rows["hedge_ratio"].std(),
            "variance_reduction": 1 - net.var(ddof=1) / spot.var(ddof=1),
            "variance_reduction_price": 1
            - (rows["r_spot"] + rows["r_hedge"]).var() / spot.var(ddof=1),
            "sharpe": net.mean() / net.std(ddof=1) * math.sqrt(8760),
            "volatility": net.std(ddof=1) * math.sqrt(8760),
            "turnover": np.abs(trade).sum(),
            "turnover_per_year": np.abs(trade).sum() * 8760 / len(rows),
            "fees": rows["r_fees"].sum(),
            "funding": rows["r_funding"].sum(),
            "total_return": growth[-1] - 1,
            "max_drawdown": (growth / np.maximum.accumulate(growth) - 1).min(),
            "pnl_frac": wealth[-1] - 1,
            "pnl_max_drawdown": (wealth / np.maximum.accumulate(wealth) - 1).min(),
            "perp_pnl_low": min(0, perp.min()),
        }
        assert said == pytest.approx(expected, rel=1e-9, abs=1e-12), name


def test_metrics_describe_the_sample(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    metrics, merged = read_metrics(folder), tables["prices_merged"]
    evaluated = tables["returns_decomposed"]["ts"]
    assert metrics["sample"] == {
        "start": evaluated.min(),
        "end": evaluated.max(),
        "merged_bars": len(merged),
        "evaluated_bars": evaluated.nunique(),
        "warmup_bars": len(merged) - evaluated.nunique(),
        "gap_bars": int((merged["bars_elapsed"] > 1).sum()),
    }
    usable = merged[merged["bars_elapsed"] == 1]
    assert metrics["market"]["correlation"] == pytest.approx(usable["r_spot"].corr(usable["r_fut"]))
    slope = usable["r_spot"].cov(usable["r_fut"]) / usable["r_fut"].var()
    assert metrics["market"]["beta_static"] == pytest.approx(slope)
    total = merged.set_index("ts")["funding_rate"][evaluated.min() :].sum()
    assert metrics["market"]["funding_total"] == pytest.approx(total)
    assert list(metrics["strategies"]) == [
        "unhedged",
        "naive",
        "naive_hold",
        "static_ols",
        "rolling_ols",
        "rolling_ols_band",
        "vol_scaled",
    ]


def test_the_two_known_faults_of_the_sample_are_its_incidents(folder: Path) -> None:
    assert read_metrics(folder)["incidents"] == {"missing_bars": 1, "missing_print": 1}


def test_orders_lead_from_ratio_to_ratio(folder: Path) -> None:
    lines = (folder / "paper_rebalance_log.jsonl").read_text().splitlines()
    orders = [strict_json(line) for line in lines]
    assert all(list(order) == LOG_KEYS for order in orders)
    assert [order["seq"] for order in orders] == list(range(1, len(orders) + 1))
    before = 0.0
    for order in orders[:-1]:
        assert order["hedge_ratio_before"] == pytest.approx(before, abs=1e-12)
        side = np.sign(order["hedge_ratio_target"] - order["hedge_ratio_before"])
        assert order["order_side"] == {1: "sell", -1: "buy", 0: "hold"}[side]
        before = order["hedge_ratio_target"] * (1 + order["r_fut"]) / (1 + order["r_spot"])
        assert order["data_age_hours"] is None
    last = orders[-1]
    assert last["hedge_ratio_before"] == pytest.approx(before, abs=1e-12)
    assert last["r_net"] is None
    as_of = strict_json((folder / "metadata.json").read_text())["as_of"]
    age = pd.Timestamp(as_of) - pd.Timestamp(last["decision_ts"])
    assert last["data_age_hours"] == age / pd.Timedelta(hours=1)
    assert last["decision_ts"] == "2026-01-01T00:00:00Z"
    closes = pd.read_csv(folder / "prices_merged.csv").iloc[-1]
    assert (last["price_spot"], last["price_perp"]) == (closes["close_spot"], closes["close_perp"])
    size = abs(last["hedge_ratio_target"] - last["hedge_ratio_before"])
    assert last["order_notional_frac"] == pytest.approx(size)
    assert last["order_qty"] == pytest.approx(size * last["price_spot"] / last["price_perp"])
    assert last["est_fee_frac"] == pytest.approx(size * 1e-4)


def test_orders_name_the_incidents_that_touch_their_bar(folder: Path) -> None:
    orders = [
        json.loads(line) for line in (folder / "paper_rebalance_log.jsonl").read_text().splitlines()
    ]
    marked = {order["decision_ts"]: order["incident"] for order in orders if order["incident"]}
    # the bar after the spot halt, whose return spans it; and the 8 bars without a print
    assert marked == {"2025-03-15T10:00:00Z": "missing_bars"} | {
        f"2025-06-10T{hour:02}:00:00Z": "missing_print" for hour in range(8, 16)
    }


def test_metadata_reproduces_the_run(folder: Path, sample_project: tuple[Project, Path]) -> None:
    metadata = strict_json((folder / "metadata.json").read_text())
    assert metadata["arguments"] == []
    assert metadata["dbt_vars"]["beta_window"] == 720
    # nothing was given, so the age of data is measured when the build begins
    assert metadata["dbt_vars"]["as_of"] == ""
    assert metadata["as_of"] == metadata["built_at"]
    assert metadata["packages"].keys() >= {"duckdb", "dbt-core", "dbt-duckdb"}
    assert {file["leg"] for file in metadata["inputs"]} == {"spot", "perp", "funding"}
    for file in metadata["inputs"]:
        assert file["bytes"] == Path(file["path"]).stat().st_size
        content = Path(file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["rows"] > 1_000
        assert file["first_ts"] == "2025-01-01T00:00:00Z"


def test_the_verdict_is_its_marts_row_and_ends_the_summary(
    folder: Path, sample_project: tuple[Project, Path]
) -> None:
    verdict = strict_json((folder / "verdict.json").read_text())
    (row,) = sample_project[0].query("from hedge_verdict").to_dict("records")
    assert verdict.keys() == row.keys()
    assert (verdict["verdict"], verdict["ci_low"]) == (row["verdict"], row["ci_low"])
    assert "β = 1 held from entry is enough" in verdict["verdict"]
    assert f"Verdict: {verdict['verdict']}\n" in summary(folder)
