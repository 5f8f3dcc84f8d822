"""The default panel and all metrics of hedge_metrics in pandas and in polars, as a user would.

Each peer reads two columns a leg, resamples to 1h, spreads funding, estimates, holds, and scores
the seven strategies of the seed, with the project's defaults. They share the last step, the
figures of a strategy from its bars (`figures`), which is numpy, and the rule of the band, which
goes from bar to bar.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from scripts.benchmark.universe import MINUTES

VOL_WINDOW, VOL_TARGET = 30, 0.5
BAND, FEES_BPS = 0.01, 1.0
RISK_AVERSION, BLOCK_DAYS, REPLICATES, SEED = 3.0, 7, 1000, 1
STRATEGIES = (
    "unhedged",
    "naive",
    "naive_hold",
    "static_ols",
    "rolling_ols",
    "rolling_ols_band",
    "vol_scaled",
)
Figures = dict[str, float]


class Work(NamedTuple):
    """A bar size in minutes, and the rows of the slope's frame."""

    minutes: int = 60
    beta_window: int = 720

    @property
    def periods(self) -> float:
        """Bars a year."""
        return 365 * 24 * 60 / self.minutes


HOURLY = Work()


def returns_of(
    ratio: np.ndarray, r_spot: np.ndarray, r_fut: np.ndarray, funding: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return what a strategy trades and earns, bar by bar: trades, and the parts of its return."""
    drift = (1 + r_fut) / (1 + r_spot)
    trade = np.abs(np.diff(ratio, prepend=0.0) - np.append(0.0, (ratio * (drift - 1))[:-1]))
    return trade, -ratio * r_fut, ratio * funding, -FEES_BPS / 1e4 * trade


def figures(
    ratio: np.ndarray,
    r_spot: np.ndarray,
    r_fut: np.ndarray,
    funding: np.ndarray,
    notional: np.ndarray,
    periods: float,
) -> Figures:
    """Return the figures of a strategy from what it holds, bar by bar."""
    trade, r_hedge, r_funding, r_fees = returns_of(ratio, r_spot, r_fut, funding)
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
        "sharpe": net.mean() / net.std(ddof=1) * math.sqrt(periods),
        "volatility": net.std(ddof=1) * math.sqrt(periods),
        "turnover": trade.sum(),
        "turnover_per_year": trade.sum() * periods / len(net),
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
    beta: np.ndarray,
    volatility: np.ndarray,
    beta_static: float,
    r_spot: np.ndarray,
    r_fut: np.ndarray,
    funding: np.ndarray,
    close_before: np.ndarray,
    periods: float,
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
        name: figures(ratio, r_spot, r_fut, funding, notional, periods)
        for name, ratio in ratios.items()
    }


def symbol_of(files: dict[str, Path]) -> str:
    """Return the symbol of a universe's files."""
    return files["spot"].stem.split("_")[1]


def pandas_panel(
    files: list[dict[str, Path]], work: Work = HOURLY
) -> dict[str, dict[str, Figures]]:
    """Return the figures of each symbol and strategy: pandas, a loop over symbols."""
    return {symbol_of(of): pandas_symbol(of, work, rolling_covariance) for of in files}


def statsmodels_panel(
    files: list[dict[str, Path]], work: Work = HOURLY
) -> dict[str, dict[str, Figures]]:
    """Return the same with slopes of statsmodels' RollingOLS."""
    return {symbol_of(of): pandas_symbol(of, work, rolling_ols) for of in files}


def rolling_covariance(spot: pd.Series, perp: pd.Series, window: int) -> pd.Series:
    """Return the slopes of spot's returns on the perp's, as a ratio of rolling moments."""
    return spot.rolling(window).cov(perp) / perp.rolling(window).var()


def rolling_ols(spot: pd.Series, perp: pd.Series, window: int) -> pd.Series:
    """Return the slopes of spot's returns on the perp's, as RollingOLS fits them."""
    from statsmodels.api import add_constant
    from statsmodels.regression.rolling import RollingOLS

    slopes: pd.Series = (
        RollingOLS(spot.iloc[1:], add_constant(perp.iloc[1:].rename("perp")), window=window)
        .fit(params_only=True)
        .params["perp"]
    )
    return slopes.reindex(spot.index)


def pandas_bars(files: dict[str, Path], work: Work) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return a symbol's returns by leg, and of each bar the funding and spot's close before it."""
    closes = {}
    for leg in ("spot", "perp"):
        raw = pd.read_parquet(files[leg], columns=["timestamp", "close"])
        closes[leg] = raw.set_index("timestamp")["close"]
        if work.minutes > MINUTES:
            closes[leg] = closes[leg].resample(f"{work.minutes}min").last()
    prices = pd.concat(closes, axis=1, join="inner")
    prints = pd.read_parquet(files["funding"], columns=["timestamp", "funding_rate"])
    rate = prints.set_index("timestamp")["funding_rate"].reindex(prices.index, method="ffill")
    return (
        prices.pct_change(fill_method=None),
        rate.to_numpy()[1:] * work.minutes / (8 * 60),
        prices["spot"].to_numpy()[:-1],
    )


def pandas_symbol(
    files: dict[str, Path],
    work: Work,
    slopes: Callable[[pd.Series, pd.Series, int], pd.Series],
) -> dict[str, Figures]:
    """Return the figures of each strategy of a symbol, with slopes from the legs' returns."""
    returns, funding, close_before = pandas_bars(files, work)
    spot, perp = returns["spot"], returns["perp"]
    beta = slopes(spot, perp, work.beta_window).shift()
    volatility = spot.rolling(VOL_WINDOW).std().shift() * math.sqrt(work.periods)
    return panel(
        beta.to_numpy()[1:],
        volatility.to_numpy()[1:],
        spot.cov(perp) / perp.var(),
        spot.to_numpy()[1:],
        perp.to_numpy()[1:],
        funding,
        close_before,
        work.periods,
    )


def polars_panel(
    files: list[dict[str, Path]], work: Work = HOURLY
) -> dict[str, dict[str, Figures]]:
    """Return the figures of each symbol and strategy: polars, one lazy query over all symbols."""
    import polars as pl

    def closes(leg: str) -> pl.LazyFrame:
        raw = pl.scan_parquet([files_of[leg] for files_of in files])
        if work.minutes == MINUTES:
            return raw.select("symbol", "timestamp", pl.col("close").alias(leg))
        return (
            raw.select("symbol", "timestamp", "close")
            .group_by("symbol", pl.col("timestamp").dt.truncate(f"{work.minutes}m"))
            .agg(pl.col("close").last().alias(leg))
        )

    rates = (
        pl.scan_parquet([files_of["funding"] for files_of in files])
        .select("symbol", "timestamp", "funding_rate")
        .sort("timestamp")
    )
    spot, perp, window = pl.col("r_spot"), pl.col("r_fut"), work.beta_window
    before = pl.int_range(pl.len()) > window
    frame = (
        closes("spot")
        .join(closes("perp"), on=["symbol", "timestamp"])
        .sort("timestamp")
        .join_asof(rates, on="timestamp", by="symbol", check_sortedness=False)
        .sort("symbol", "timestamp")
        .with_columns(
            (pl.col("spot") / pl.col("spot").shift() - 1).over("symbol").alias("r_spot"),
            (pl.col("perp") / pl.col("perp").shift() - 1).over("symbol").alias("r_fut"),
            pl.col("spot").shift().over("symbol").alias("close_before"),
        )
        .with_columns(
            pl.when(before)
            .then(
                (pl.rolling_cov(spot, perp, window_size=window) / perp.rolling_var(window)).shift()
            )
            .over("symbol")
            .alias("beta"),
            (spot.rolling_std(VOL_WINDOW).shift().over("symbol") * math.sqrt(work.periods)).alias(
                "volatility"
            ),
            (pl.cov(spot, perp) / perp.var()).over("symbol").alias("beta_static"),
        )
        .drop_nulls("r_spot")
        .collect()
    )
    return {
        symbol: panel(
            rows["beta"].to_numpy(),
            rows["volatility"].to_numpy(),
            rows["beta_static"][0],
            rows["r_spot"].to_numpy(),
            rows["r_fut"].to_numpy(),
            rows["funding_rate"].to_numpy() * work.minutes / (8 * 60),
            rows["close_before"].to_numpy(),
            work.periods,
        )
        for (symbol,), rows in frame.partition_by("symbol", as_dict=True).items()
    }


def pandas_sweep(files: dict[str, Path], strategies: list[dict[str, str]]) -> dict[str, Figures]:
    """Return the figures of each row of a sweep's CSV: pandas, a loop over the rows.

    With them come its difference in U to naive_hold, and that difference's bootstrap error.
    """
    returns, funding, close_before = pandas_bars(files, HOURLY)
    deviations = returns["spot"].rolling(VOL_WINDOW).std().shift() * math.sqrt(HOURLY.periods)
    volatility = deviations.to_numpy()[1:]
    # rolling_ols, the selected strategy, is scored on the same bars
    start = max(
        HOURLY.beta_window, *(int(row["beta_window"].removesuffix("d")) * 24 for row in strategies)
    )
    r_spot, r_fut = (returns[leg].to_numpy()[1:][start:] for leg in ("spot", "perp"))
    bars = r_spot, r_fut, funding[start:]
    notional = close_before[start:] / close_before[start]
    drift = (1 + r_fut) / (1 + r_spot)
    draws = drawn_blocks(len(r_spot))
    benchmark = np.append(1.0, np.cumprod(drift)[:-1])
    utility, replicates = utilities(benchmark, *bars, draws)
    found = {}
    for row in strategies:
        window = int(row["beta_window"].removesuffix("d")) * 24
        slopes = rolling_covariance(returns["spot"], returns["perp"], window)
        ratio = slopes.shift().to_numpy()[1:][start:]
        if row["is_vol_scaled"] == "True":
            ratio = ratio * np.minimum(1, float(row["vol_target"]) / volatility[start:])
        if float(row["rebalance_band"]):
            ratio = held_within_band(ratio, drift, float(row["rebalance_band"]))
        own_utility, own_replicates = utilities(ratio, *bars, draws)
        found[row["strategy"]] = figures(ratio, *bars, notional, HOURLY.periods) | {
            "delta_utility": own_utility - utility,
            "std_error": (own_replicates - replicates).std(ddof=1),
        }
    return found


def drawn_blocks(bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Return first bars and lengths of each replicate's blocks: arrays of replicates by blocks.

    The project's own draws, so that errors can be compared.
    """
    length = BLOCK_DAYS * 24
    blocks = -(-bars // length)
    uniforms = [
        [
            int(hashlib.md5(f"{SEED}:{replicate}:{block}".encode()).hexdigest()[:13], 16) / 2**52
            for block in range(1, blocks + 1)
        ]
        for replicate in range(1, REPLICATES + 1)
    ]
    lengths = np.full(blocks, length)
    lengths[-1] = bars - (blocks - 1) * length
    return np.floor(np.array(uniforms) * bars).astype(int), lengths


def utilities(
    ratio: np.ndarray,
    r_spot: np.ndarray,
    r_fut: np.ndarray,
    funding: np.ndarray,
    draws: tuple[np.ndarray, np.ndarray],
) -> tuple[float, np.ndarray]:
    """Return U of a strategy a year, and how far each replicate's strays from it, linearly."""
    _, r_hedge, r_funding, r_fees = returns_of(ratio, r_spot, r_fut, funding)
    net = r_spot + r_hedge + r_funding + r_fees
    influence = (1 + RISK_AVERSION * net.mean()) * net - RISK_AVERSION / 2 * net**2
    sums = np.append(0.0, np.cumsum(np.tile(influence - influence.mean(), 2)))
    starts, lengths = draws
    strays = (sums[starts + lengths] - sums[starts]).sum(axis=1) / len(net)
    utility = net.mean() - RISK_AVERSION / 2 * net.var(ddof=1)
    return HOURLY.periods * utility, HOURLY.periods * strays
