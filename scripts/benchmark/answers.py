"""Every answer of the project in pandas, numpy and arch, as a competent user would write it.

Where peers.py computes the figures of hedge_metrics alone, this peer also checks the raw bars,
counts coverage, and computes tails, months and regimes, carry, variance components, the
comovement of the legs, bootstrap intervals and the verdict. It loops over symbols; strategies
are the columns of a frame. It does not keep rows per bar, write an order log or build sentences.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from arch.bootstrap import CircularBlockBootstrap
from scipy.stats import norm, t
from statsmodels.tsa.stattools import acovf

from scripts.benchmark import peers
from scripts.benchmark.peers import BLOCK_DAYS, FEES_BPS, HOURLY, REPLICATES, RISK_AVERSION, SEED

HOUR, PRINT_HOURS = pd.Timedelta(hours=1), 8
BLOCK = BLOCK_DAYS * 24
BENCHMARK, NAIVE, STATIC = "naive_hold", "naive", "static_ols"
LEAST_KNOWN_VOLATILITIES = 30
MAX_JUMP, MAX_BASIS = 100e-4, 100e-4
EQUAL_CLOSES_CHANCE, MAX_EQUAL_CLOSES_SHARE = 0.001, 0.1
METRICS = (
    "variance_reduction",
    "sharpe",
    "utility",
    "variance_reduction_vs_naive",
    "sharpe_vs_naive",
    "utility_vs_benchmark",
)
Tables = dict[str, pd.DataFrame]


class Returns(NamedTuple):
    """Returns over the evaluated bars: of the legs, and a column for each strategy."""

    spot: pd.Series
    perp: pd.Series
    funding_rate: pd.Series
    ratio: pd.DataFrame
    hedge: pd.DataFrame
    funding: pd.DataFrame
    fees: pd.DataFrame
    net: pd.DataFrame


def same_answers(files: list[dict[str, Path]]) -> Tables:
    """Return the tables of all symbols, each named like the project's."""
    found: dict[str, list[pd.DataFrame]] = {}
    for of in files:
        for name, table in answers_of(of).items():
            found.setdefault(name, []).append(table.assign(symbol=peers.symbol_of(of)))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}


def answers_of(files: dict[str, Path]) -> Tables:
    """Return the tables of a symbol."""
    raw = {leg: read_bars(files[leg]) for leg in ("spot", "perp")}
    prints = pd.read_parquet(files["funding"], columns=["timestamp", "funding_rate"])
    rates = prints.set_index(prints["timestamp"].dt.tz_localize(None))["funding_rate"]
    bars = {leg: rows[~rows.index.duplicated(keep="last")] for leg, rows in raw.items()}
    closes = pd.DataFrame({leg: rows["close"] for leg, rows in bars.items()}).dropna()
    step = pd.Timedelta(bars["spot"].index.to_series().diff().median())

    # an hour's close is that of the raw bar that ends with it
    is_last = (closes.index + step).minute == 0
    prices = closes[is_last].set_axis(closes.index[is_last] + step - HOUR)
    funding_rate = rates.reindex(prices.index, method="ffill") / PRINT_HOURS
    moves = prices.pct_change(fill_method=None)
    volatility = moves["spot"].rolling(peers.VOL_WINDOW).std() * math.sqrt(HOURLY.periods)
    returns, notional = hold(prices, moves, funding_rate, volatility.shift())
    metrics = pd.DataFrame(
        {
            name: peers.figures(
                ratio.to_numpy(),
                returns.spot.to_numpy(),
                returns.perp.to_numpy(),
                returns.funding_rate.to_numpy(),
                notional.to_numpy(),
                HOURLY.periods,
            )
            for name, ratio in returns.ratio.items()
        }
    ).T
    replicates = resample(returns)
    errors = intervals(returns, replicates)
    return {
        "data_incidents": pd.concat(
            [
                *(bar_faults(leg, raw[leg], bars[leg], step) for leg in raw),
                pair_faults(closes, step),
            ]
        ),
        "coverage": coverage(bars, rates, step),
        "hedge_metrics": metrics.rename_axis("strategy").reset_index(),
        "hedge_metrics_by_regime": pd.concat(
            [
                by_regime("month", returns, pd.Series(returns.net.index.strftime("%Y-%m"))),
                by_regime("volatility", returns, thirds(volatility).shift()),
            ]
        ),
        "hedge_tails": tails(returns),
        "carry_attribution": carry(returns),
        "variance_components": components(returns),
        "leg_comovement": comovement(returns, moves),
        "hedge_intervals": errors,
        "hedge_verdict": verdict(returns, replicates, errors, metrics["turnover"]),
    }


def read_bars(path: Path) -> pd.DataFrame:
    """Return the raw bars of a leg by time."""
    raw = pd.read_parquet(path, columns=["timestamp", "open", "high", "low", "close", "volume"])
    raw["timestamp"] = raw["timestamp"].dt.tz_localize(None)
    return raw.set_index("timestamp").sort_index(kind="stable")


def hold(
    prices: pd.DataFrame, moves: pd.DataFrame, funding_rate: pd.Series, volatility: pd.Series
) -> tuple[Returns, pd.Series]:
    """Return what each strategy earns, bar by bar, and the notional at each bar's start."""
    beta = peers.rolling_covariance(moves["spot"], moves["perp"], HOURLY.beta_window).shift()
    evaluated = beta.notna() & volatility.notna()
    start = evaluated.idxmax()
    beta, volatility, spot, perp, funding_rate = (
        series.loc[start:]
        for series in (beta, volatility, moves["spot"], moves["perp"], funding_rate)
    )
    before = prices["spot"].shift().loc[start:]
    drift = (1 + perp) / (1 + spot)
    held = drift.cumprod().shift(fill_value=1.0)
    ratio = pd.DataFrame(
        {
            "unhedged": 0.0,
            NAIVE: 1.0,
            BENCHMARK: held,
            STATIC: moves["spot"].cov(moves["perp"]) / moves["perp"].var(),
            "rolling_ols": beta,
            "rolling_ols_band": peers.held_within_band(
                beta.to_numpy(), drift.to_numpy(), peers.BAND
            ),
            "vol_scaled": beta * (peers.VOL_TARGET / volatility).clip(upper=1),
        },
        index=beta.index,
    )
    trade = (ratio - ratio.mul(drift, axis=0).shift(fill_value=0.0)).abs()
    hedge = -ratio.mul(perp, axis=0)
    funding = ratio.mul(funding_rate, axis=0)
    fees = -FEES_BPS / 1e4 * trade
    net = (hedge + funding + fees).add(spot, axis=0)
    returns = Returns(spot, perp, funding_rate, ratio, hedge, funding, fees, net)
    return returns, before / before.iloc[0]


def consecutive(places: pd.Series | np.ndarray) -> np.ndarray:
    """Return a number for each run of consecutive places."""
    return np.asarray(places) - np.arange(len(places))


def runs(
    kind: str, source: str, severity: str, faults: pd.DataFrame, step: pd.Timedelta
) -> pd.DataFrame:
    """Return one incident for each run of faults, which have a place and what is affected."""
    found = faults.assign(ts=faults.index).groupby(consecutive(faults["place"]))
    return pd.DataFrame(
        {
            "source": source,
            "kind": kind,
            "ts": found["ts"].min(),
            "ts_end": found["ts"].max() + step,
            "affected": found["affected"].sum(),
            "severity": severity,
        }
    )


def bar_faults(leg: str, raw: pd.DataFrame, bars: pd.DataFrame, step: pd.Timedelta) -> pd.DataFrame:
    """Return holes, copies, and flat and crossed bars of a leg."""
    spacing = bars.index.to_series().diff()
    wide = spacing[spacing >= 1.5 * step]
    missing = pd.DataFrame(
        {
            "source": leg,
            "kind": "missing_bars",
            "ts": wide.index - wide + step,
            "ts_end": wide.index,
            "affected": (wide / step).round().astype(int) - 1,
            "severity": "warn",
        }
    )
    copies = raw[raw.index.duplicated(keep=False)].reset_index()
    distinct = copies.drop_duplicates().groupby("timestamp").size()
    extra = copies.groupby("timestamp").size() - 1

    is_turned = bars["high"] < bars["low"]
    is_crossed = (
        is_turned
        | ~bars["close"].between(bars["low"], bars["high"])
        | ~bars["open"].between(bars["low"], bars["high"])
    )
    is_flat = (bars["volume"] == 0) & (bars["high"] == bars["low"])
    found = [missing]
    for kind, severity, affected in (
        ("duplicate_bars", "info", extra[distinct == 1]),
        ("conflicting_bars", "warn", extra[distinct > 1]),
        ("flat_bars", "info", is_flat[is_flat].astype(int)),
        ("crossed_prices", "warn", is_crossed[is_crossed & ~is_turned].astype(int)),
        ("crossed_prices", "error", is_turned[is_turned].astype(int)),
    ):
        place = (affected.index - pd.Timestamp(0)) // step
        faults = pd.DataFrame({"affected": affected, "place": place}, index=affected.index)
        found.append(runs(kind, leg, severity, faults, step))
    return pd.concat(found)


def pair_faults(closes: pd.DataFrame, step: pd.Timedelta) -> pd.DataFrame:
    """Return jumps of one leg, a basis beyond its bound, and closes equal for too long."""
    moves = closes.pct_change(fill_method=None)
    closes = closes.assign(place=np.arange(len(closes)), affected=1)
    is_jump = (moves["perp"] - moves["spot"]).abs() > MAX_JUMP
    is_of_perp = moves["perp"].abs() >= moves["spot"].abs()
    is_wide = (closes["perp"] / closes["spot"] - 1).abs() > MAX_BASIS
    found = [
        runs("price_jump", "perp", "warn", closes[is_jump & is_of_perp], step),
        runs("price_jump", "spot", "warn", closes[is_jump & ~is_of_perp], step),
        runs("basis_beyond_bound", "perp", "warn", closes[is_wide], step),
    ]
    # a bar in which spot stands still proves nothing
    moved = closes[moves["spot"].fillna(0) != 0]
    moved = moved.assign(place=np.arange(len(moved)))
    equal = runs("perp_equals_spot", "perp", "warn", moved[moved["perp"] == moved["spot"]], step)
    chance = (1 + (equal["affected"] > 1).sum()) / (2 + len(equal))
    unlikely = equal[len(moved) * chance ** equal["affected"] < EQUAL_CLOSES_CHANCE]
    if unlikely["affected"].sum() > MAX_EQUAL_CLOSES_SHARE * len(moved):
        unlikely = unlikely.assign(severity="error")
    return pd.concat([*found, unlikely])


def coverage(bars: Tables, rates: pd.Series, step: pd.Timedelta) -> pd.DataFrame:
    """Return bars and prints by month, expected and present."""
    start = min(rows.index[0] for rows in bars.values())
    end = max(rows.index[-1] for rows in bars.values()) + step
    expected = monthly(pd.date_range(start, end, freq=step, inclusive="left"))
    found = [
        pd.DataFrame(
            {"source": leg, "bars_expected": expected, "bars_present": monthly(rows.index)}
        )
        for leg, rows in bars.items()
    ]
    interval = rates.index.to_series().diff().median()
    expected = monthly(pd.date_range(rates.index[0], end, freq=interval, inclusive="left"))
    present = monthly(rates.loc[start : end - step].index)
    found.append(
        pd.DataFrame({"source": "funding", "prints_expected": expected, "prints_present": present})
    )
    table = pd.concat(found).rename_axis("month").reset_index()
    present = table["bars_present"].fillna(table["prints_present"])
    return table.assign(share=present / table["bars_expected"].fillna(table["prints_expected"]))


def monthly(times: pd.DatetimeIndex) -> pd.Series:
    """Return how many times lie in each month."""
    return pd.Series(1, index=times).resample("MS").size()


def thirds(volatility: pd.Series) -> pd.Series:
    """Return the third of all volatilities known before a bar that its own falls into."""
    known = volatility.dropna()
    smaller = known.expanding().rank(method="min") - 1
    before = np.arange(len(known))
    found = np.select([3 * smaller < before, 3 * smaller < 2 * before], ["low", "middle"], "high")
    third = pd.Series(found, index=known.index)
    return third.where(before >= LEAST_KNOWN_VOLATILITIES).reindex(volatility.index)


def shortfall(returns: pd.Series) -> float:
    """Return the mean of the worst 5% of bars."""
    return float(np.sort(returns.to_numpy())[: math.ceil(len(returns) / 20)].mean())


def by_regime(kind: str, returns: Returns, regimes: pd.Series) -> pd.DataFrame:
    """Return the figures of each strategy in each regime."""
    by = (
        regimes.reindex(returns.net.index).to_numpy()
        if kind == "volatility"
        else regimes.to_numpy()
    )
    spot, net = returns.spot.groupby(by), returns.net.groupby(by)
    price = returns.hedge.add(returns.spot, axis=0).groupby(by)
    mean, variance, bars = net.mean(), net.var(), spot.size()
    found = {
        "variance_reduction": 1 - variance.div(spot.var(), axis=0),
        "variance_reduction_price": 1 - price.var().div(spot.var(), axis=0),
        "sharpe": mean / np.sqrt(variance) * math.sqrt(HOURLY.periods),
        "volatility": np.sqrt(variance * HOURLY.periods),
        "expected_shortfall_95": net.agg(shortfall),
        "fees": returns.fees.groupby(by).sum(),
        "funding": returns.funding.groupby(by).sum(),
        "total_return": np.expm1(np.log1p(returns.net).groupby(by).sum()),
    }
    table = pd.DataFrame({name: figures.stack() for name, figures in found.items()})
    table = table.rename_axis(["regime", "strategy"]).reset_index()
    table["bars"] = table["regime"].map(bars)
    return table.assign(regime_kind=kind, share_of_bars=table["bars"] / len(returns.net))


def tails(returns: Returns) -> pd.DataFrame:
    """Return the worst week, the mean of the worst 5% of bars, and the worst bar."""
    net = returns.net
    weekly = np.log1p(net).resample("W-MON", label="left", closed="left")
    weeks = np.expm1(weekly.sum())[weekly.size() * HOUR >= pd.Timedelta(days=5)]
    return (
        pd.DataFrame(
            {
                "worst_week": weeks.min(),
                "worst_week_start": weeks.idxmin(),
                "expected_shortfall_95": net.apply(shortfall),
                "worst_bar": net.min(),
                "worst_bar_ts": net.idxmin(),
            }
        )
        .rename_axis("strategy")
        .reset_index()
    )


def carry(returns: Returns) -> pd.DataFrame:
    """Return what the net return was earned with, by month."""
    parts = {
        "basis": returns.ratio.mul(returns.spot - returns.perp, axis=0),
        "funding": returns.funding,
        "fees": returns.fees,
        "unhedged": (1 - returns.ratio).mul(returns.spot, axis=0),
        "net": returns.net,
    }
    sums = {name: part.resample("MS").sum().stack() for name, part in parts.items()}
    table = pd.DataFrame(sums).rename_axis(["month", "strategy"]).reset_index()
    return table.assign(bars=table["month"].map(monthly(returns.net.index)))


def components(returns: Returns) -> pd.DataFrame:
    """Return the variance of each part of the return, and twice each covariance."""
    found = []
    for strategy in returns.net:
        parts = pd.DataFrame(
            {
                "r_spot": returns.spot,
                "r_hedge": returns.hedge[strategy],
                "r_funding": returns.funding[strategy],
                "r_fees": returns.fees[strategy],
            }
        )
        covariance = parts.cov()
        for place, part in enumerate(parts):
            found.append((strategy, part, covariance.loc[part, part]))
            for other in parts.columns[place + 1 :]:
                found.append((strategy, f"2cov_{part}_{other}", 2 * covariance.loc[part, other]))
    return pd.DataFrame(found, columns=["strategy", "component", "variance"])


def comovement(returns: Returns, moves: pd.DataFrame) -> pd.DataFrame:
    """Return how the legs move together, in the same bar and a bar apart."""
    spot, perp = returns.spot, returns.perp
    earlier = moves.shift().loc[spot.index]
    difference = spot - perp
    return pd.DataFrame(
        {
            "bars": [len(spot)],
            "correlation": spot.corr(perp),
            "correlation_spot_earlier": earlier["spot"].corr(perp),
            "correlation_perp_earlier": earlier["perp"].corr(spot),
            "spot_bps": 1e4 * spot.std(),
            "difference_bps": 1e4 * difference.std(),
            "difference_autocorrelation": difference.corr(earlier["spot"] - earlier["perp"]),
        }
    )


def scores(returns: np.ndarray) -> np.ndarray:
    """Return a row for each of METRICS and a column for each strategy; spot is the first."""
    mean, variance = returns.mean(axis=0), returns.var(axis=0, ddof=1)
    removed = 1 - variance[1:] / variance[0]
    sharpe = mean[1:] / np.sqrt(variance[1:]) * math.sqrt(HOURLY.periods)
    utility = HOURLY.periods * (mean - RISK_AVERSION / 2 * variance)[1:]
    naive, benchmark = peers.STRATEGIES.index(NAIVE), peers.STRATEGIES.index(BENCHMARK)
    return np.array(
        [
            removed,
            sharpe,
            utility,
            removed - removed[naive],
            sharpe - sharpe[naive],
            utility - utility[benchmark],
        ]
    )


def resample(returns: Returns) -> np.ndarray:
    """Return the scores of each replicate; all strategies take the same blocks."""
    columns = np.column_stack([returns.spot, returns.net])
    bootstrap = CircularBlockBootstrap(BLOCK, columns, seed=SEED)
    drawn = bootstrap.apply(lambda blocks: scores(blocks).ravel(), REPLICATES)
    replicates: np.ndarray = drawn.reshape(REPLICATES, len(METRICS), -1)
    return replicates


def widened(quantile: float, blocks: float) -> float:
    """Return a normal quantile as Student's, with the freedom that overlapping blocks leave."""
    student = float(t.ppf(norm.cdf(quantile), 1.5 * blocks))
    return student * math.sqrt(blocks / (blocks - 1))


def long_run_variance(net: np.ndarray) -> float:
    """Return Newey and West's long-run variance, with as many lags as a block has bars."""
    weights = 2 * (1 - np.arange(BLOCK + 1) / (BLOCK + 1))
    weights[0] = 1
    return float((weights * acovf(net, nlag=BLOCK)).sum())


def intervals(returns: Returns, replicates: np.ndarray) -> pd.DataFrame:
    """Return each figure with its 95% interval and standard error."""
    bars = len(returns.net)
    blocks = bars / BLOCK
    critical = widened(norm.ppf(0.975), blocks)
    estimates = scores(np.column_stack([returns.spot, returns.net]))
    errors = replicates.std(axis=0, ddof=1)
    low, high = estimates - critical * errors, estimates + critical * errors
    # the variance that remains cannot fall below 0
    log_error = np.log(1 - replicates[:, 0]).std(axis=0, ddof=1)
    low[0], high[0] = (
        1 - (1 - estimates[0]) * np.exp(sign * critical * log_error) for sign in (1, -1)
    )
    found = [
        pd.DataFrame(
            {
                "strategy": returns.net.columns,
                "metric": metric,
                "estimate": estimates[row],
                "ci_low": low[row],
                "ci_high": high[row],
                "std_error": errors[row],
            }
        )
        for row, metric in enumerate(METRICS)
    ]
    # Lo (2002), with the variance that Newey & West's estimate leaves
    long_run = np.array([long_run_variance(net.to_numpy()) for _, net in returns.net.items()])
    sharpe = returns.net.mean().to_numpy() / np.sqrt(long_run) * math.sqrt(HOURLY.periods)
    error = np.sqrt(HOURLY.periods / bars + sharpe**2 / (3 * blocks))
    found.append(
        pd.DataFrame(
            {
                "strategy": returns.net.columns,
                "metric": "sharpe_long_run",
                "estimate": sharpe,
                "ci_low": sharpe - critical * error,
                "ci_high": sharpe + critical * error,
                "std_error": error,
            }
        )
    )
    table = pd.concat(found)
    is_itself = (table["metric"].str.endswith("_vs_naive") & (table["strategy"] == NAIVE)) | (
        table["metric"].str.endswith("_vs_benchmark") & (table["strategy"] == BENCHMARK)
    )
    return table[~is_itself]


def verdict(
    returns: Returns, replicates: np.ndarray, errors: pd.DataFrame, turnover: pd.Series
) -> pd.DataFrame:
    """Return whether the best strategy is worth more than a ratio of 1 that is held.

    The interval allows for having picked the best: it is made from the largest of the paired
    statistics in each replicate (White 2000; Romano & Wolf 2005).
    """
    bars = len(returns.net)
    blocks = bars / BLOCK
    tried = errors[errors["metric"] == "utility_vs_benchmark"].set_index("strategy")
    tried = tried[tried["std_error"] > 1e-12]
    columns = [peers.STRATEGIES.index(name) for name in tried.index]
    row = METRICS.index("utility_vs_benchmark")
    strays = replicates[:, row, columns] - tried["estimate"].to_numpy()
    largest = (np.abs(strays) / tried["std_error"].to_numpy()).max(axis=1)
    half_width = tried["std_error"] * widened(np.quantile(largest, 0.95), blocks)
    low, high = tried["estimate"] - half_width, tried["estimate"] + half_width

    # nobody could have held a ratio that knows the whole sample
    candidates = tried["estimate"].drop(STATIC)
    better = candidates[low[candidates.index] > 0]
    best = str((better if len(better) else candidates).idxmax())
    extra = turnover[best] - turnover[BENCHMARK]
    break_even = FEES_BPS + (
        1e4 * tried["estimate"][best] / (HOURLY.periods * extra / bars) if extra else math.nan
    )
    held, net = returns.ratio[BENCHMARK], returns.net[BENCHMARK]
    carry_rate = (net - (1 - held) * returns.spot).mean() / held.mean()
    utility_rate = (
        net.mean() - returns.spot.mean() - RISK_AVERSION / 2 * (net.var() - returns.spot.var())
    ) / held.mean()
    mean_rate = returns.funding_rate.mean()
    return pd.DataFrame(
        {
            "benchmark": [BENCHMARK],
            "blocks": blocks,
            "strategies_tried": len(tried),
            "best_strategy": best,
            "delta_utility": tried["estimate"][best],
            "ci_low": low[best],
            "ci_high": high[best],
            "is_replaced": len(better) > 0,
            "break_even_fee_bps": break_even if extra > 0 and break_even >= 0 else math.nan,
            "mean_funding_rate": PRINT_HOURS * mean_rate,
            "break_even_funding_rate": PRINT_HOURS * (mean_rate - carry_rate),
            "indifferent_funding_rate": PRINT_HOURS * (mean_rate - utility_rate),
        }
    )
