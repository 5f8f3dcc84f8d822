"""The default panel and all metrics of hedge_metrics in pandas and in polars, as a user would.

Each peer reads two columns a leg, resamples to 1h, spreads funding, estimates, holds, and scores
the seven strategies of the seed, with the project's defaults. They share the last step, the
figures of a strategy from its bars (`figures`), which is numpy, and the rule of the band, which
goes from bar to bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

BETA_WINDOW, VOL_WINDOW, VOL_TARGET = 720, 30, 0.5
BAND, FEES_BPS, PERIODS = 0.01, 1.0, 8760
STRATEGIES = (
    "unhedged", "naive", "naive_hold", "static_ols", "rolling_ols", "rolling_ols_band",
    "vol_scaled",
)
Figures = dict[str, float]


def figures(
    ratio: np.ndarray, r_spot: np.ndarray, r_fut: np.ndarray, funding: np.ndarray,
    notional: np.ndarray,
) -> Figures:
    """Return the figures of a strategy from what it holds, bar by bar."""
    drift = (1 + r_fut) / (1 + r_spot)
    trade = np.abs(np.diff(ratio, prepend=0.0) - np.append(0.0, (ratio * (drift - 1))[:-1]))
    r_hedge, r_funding, r_fees = -ratio * r_fut, ratio * funding, -FEES_BPS / 1e4 * trade
    net = r_spot + r_hedge + r_funding + r_fees
    growth = np.cumprod(1 + net)
    wealth = 1 + np.cumsum(notional * net)
    var_spot = r_spot.var(ddof=1)
    return {
        "bars": len(net),
        "hedge_ratio_mean": ratio.mean(),
        "hedge_ratio_std": ratio.std(ddof=1),
        "variance_reduction": 1 - net.var(ddof=1) / var_spot,
        "variance_reduction_price": 1 - (r_spot + r_hedge).var(ddof=1) / var_spot,
        "sharpe": net.mean() / net.std(ddof=1) * math.sqrt(PERIODS),
        "volatility": net.std(ddof=1) * math.sqrt(PERIODS),
        "turnover": trade.sum(),
        "turnover_per_year": trade.sum() * PERIODS / len(net),
        "fees": r_fees.sum(),
        "funding": r_funding.sum(),
        "total_return": growth[-1] - 1,
        "max_drawdown": (growth / np.maximum(np.maximum.accumulate(growth), 1)).min() - 1,
        "pnl_frac": wealth[-1] - 1,
        "pnl_max_drawdown": (wealth / np.maximum(np.maximum.accumulate(wealth), 1)).min() - 1,
        "perp_pnl_low": min(0.0, np.cumsum(notional * r_hedge).min()),
    }


def held_within_band(target: np.ndarray, drift: np.ndarray, band: float) -> np.ndarray:
    """Return what is held where a trade needs a target that is off by more than the band."""
    held = np.empty_like(target)
    held[0] = ratio = target[0]
    for bar, (wanted, factor) in enumerate(
        zip(target[1:].tolist(), drift[:-1].tolist(), strict=True), start=1
    ):
        ratio *= factor
        if abs(wanted - ratio) > band:
            ratio = wanted
        held[bar] = ratio
    return held


def panel(
    beta: np.ndarray, volatility: np.ndarray, beta_static: float, r_spot: np.ndarray,
    r_fut: np.ndarray, funding: np.ndarray, close_before: np.ndarray,
) -> dict[str, Figures]:
    """Return the figures of every strategy, over the bars at which each has a ratio."""
    start = int(np.argmax(~np.isnan(beta) & ~np.isnan(volatility)))
    beta, volatility, r_spot, r_fut, funding, close_before = (
        series[start:] for series in (beta, volatility, r_spot, r_fut, funding, close_before)
    )
    drift = (1 + r_fut) / (1 + r_spot)
    one = np.ones(len(beta))
    ratios = {
        "unhedged": 0 * one,
        "naive": one,
        "naive_hold": np.append(1.0, np.cumprod(drift)[:-1]),
        "static_ols": beta_static * one,
        "rolling_ols": beta,
        "rolling_ols_band": held_within_band(beta, drift, BAND),
        "vol_scaled": beta * np.minimum(1, VOL_TARGET / volatility),
    }
    notional = close_before / close_before[0]
    return {
        name: figures(ratio, r_spot, r_fut, funding, notional) for name, ratio in ratios.items()
    }


def pandas_panel(files: list[dict[str, Path]]) -> dict[str, dict[str, Figures]]:
    """Return the figures of each symbol and strategy: pandas, a loop over symbols."""
    return {
        files_of["spot"].stem.split("_")[1]: pandas_symbol(files_of, rolling_covariance)
        for files_of in files
    }


def statsmodels_panel(files: list[dict[str, Path]]) -> dict[str, dict[str, Figures]]:
    """Return the same with slopes of statsmodels' RollingOLS."""
    return {
        files_of["spot"].stem.split("_")[1]: pandas_symbol(files_of, rolling_ols)
        for files_of in files
    }


def rolling_covariance(spot: pd.Series, perp: pd.Series) -> pd.Series:
    """Return the slopes of spot's returns on the perp's, as a ratio of rolling moments."""
    return spot.rolling(BETA_WINDOW).cov(perp) / perp.rolling(BETA_WINDOW).var()


def rolling_ols(spot: pd.Series, perp: pd.Series) -> pd.Series:
    """Return the slopes of spot's returns on the perp's, as RollingOLS fits them."""
    from statsmodels.api import add_constant
    from statsmodels.regression.rolling import RollingOLS

    slopes = RollingOLS(
        spot.iloc[1:], add_constant(perp.iloc[1:].rename("perp")), window=BETA_WINDOW
    ).fit(params_only=True).params["perp"]
    return slopes.reindex(spot.index)


def pandas_symbol(
    files: dict[str, Path], slopes: Callable[[pd.Series, pd.Series], pd.Series]
) -> dict[str, Figures]:
    """Return the figures of each strategy of a symbol, with slopes from the legs' returns."""
    spot, perp = (
        pd.read_parquet(files[leg], columns=["timestamp", "close"])
        .set_index("timestamp")["close"].resample("1h").last()
        for leg in ("spot", "perp")
    )
    prices = pd.concat({"spot": spot, "perp": perp}, axis=1, join="inner")
    returns = prices.pct_change(fill_method=None)
    prints = pd.read_parquet(files["funding"], columns=["timestamp", "funding_rate"])
    rate = prints.set_index("timestamp")["funding_rate"].reindex(prices.index, method="ffill")
    beta = slopes(returns["spot"], returns["perp"]).shift()
    volatility = returns["spot"].rolling(VOL_WINDOW).std().shift() * math.sqrt(PERIODS)
    beta_static = returns["spot"].cov(returns["perp"]) / returns["perp"].var()
    return panel(
        beta.to_numpy()[1:], volatility.to_numpy()[1:], beta_static,
        returns["spot"].to_numpy()[1:], returns["perp"].to_numpy()[1:],
        rate.to_numpy()[1:] / 8, prices["spot"].to_numpy()[:-1],
    )


def polars_panel(files: list[dict[str, Path]]) -> dict[str, dict[str, Figures]]:
    """Return the figures of each symbol and strategy: polars, one lazy query over all symbols."""
    import polars as pl

    def closes(leg: str) -> pl.LazyFrame:
        return (
            pl.scan_parquet([files_of[leg] for files_of in files])
            .select("symbol", "timestamp", "close")
            .group_by("symbol", pl.col("timestamp").dt.truncate("1h"))
            .agg(pl.col("close").last().alias(leg))
        )

    rates = (
        pl.scan_parquet([files_of["funding"] for files_of in files])
        .select("symbol", "timestamp", "funding_rate")
        .sort("timestamp")
    )
    spot, perp = pl.col("r_spot"), pl.col("r_fut")
    before = pl.int_range(pl.len()) > BETA_WINDOW
    frame = (
        closes("spot").join(closes("perp"), on=["symbol", "timestamp"])
        .sort("timestamp")
        .join_asof(rates, on="timestamp", by="symbol", check_sortedness=False)
        .sort("symbol", "timestamp")
        .with_columns(
            (pl.col("spot") / pl.col("spot").shift() - 1).over("symbol").alias("r_spot"),
            (pl.col("perp") / pl.col("perp").shift() - 1).over("symbol").alias("r_fut"),
            pl.col("spot").shift().over("symbol").alias("close_before"),
        )
        .with_columns(
            pl.when(before).then(
                (pl.rolling_cov(spot, perp, window_size=BETA_WINDOW)
                 / perp.rolling_var(BETA_WINDOW)).shift()
            ).over("symbol").alias("beta"),
            (spot.rolling_std(VOL_WINDOW).shift().over("symbol") * math.sqrt(PERIODS))
            .alias("volatility"),
            (pl.cov(spot, perp) / perp.var()).over("symbol").alias("beta_static"),
        )
        .drop_nulls("r_spot")
        .collect()
    )
    return {
        symbol: panel(
            *(rows[name].to_numpy() for name in ("beta", "volatility")),
            rows["beta_static"][0],
            rows["r_spot"].to_numpy(), rows["r_fut"].to_numpy(),
            rows["funding_rate"].to_numpy() / 8, rows["close_before"].to_numpy(),
        )
        for (symbol,), rows in frame.partition_by("symbol", as_dict=True).items()
    }
