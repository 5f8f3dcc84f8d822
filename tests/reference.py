"""The contract again, bar by bar in plain numpy, for tests to compare the models with.

It shares nothing with the models.

Times are integer milliseconds, prices and returns float arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

YEAR_MS = 365 * 24 * 3600 * 1000
EIGHT_HOURS_MS = 8 * 3600 * 1000


@dataclass
class Strategy:
    """A hedge: estimators as in the seed; windows and half-life in rows."""

    estimator: str
    is_vol_scaled: bool = False
    beta_window: int = 720
    vol_window: int = 30
    vol_target: float = 0.5
    rebalance_band: float = 0.0
    rebalance_every: int = 1
    min_trade: float = 0.0
    halflife: int = 250
    is_vol_budget: bool = False

    def trades(self, bar: int, target: float, held: float) -> bool:
        """Return whether an order is sent at a bar (0 is the entry)."""
        if bar == 0:
            return True
        if self.rebalance_every == 0 or bar % self.rebalance_every:
            return False
        gap = abs(target - held)
        return gap > self.rebalance_band and gap >= self.min_trade


def default_strategies(**parameters: float) -> dict[str, Strategy]:
    """Return the strategies of the seed."""
    return {
        "unhedged": Strategy("none", **parameters),
        "naive": Strategy("naive", **parameters),
        "naive_hold": Strategy("naive", rebalance_every=0, **parameters),
        "static_ols": Strategy("static", **parameters),
        "rolling_ols": Strategy("rolling", **parameters),
        "rolling_ols_band": Strategy("rolling", rebalance_band=0.01, **parameters),
        "vol_scaled": Strategy("rolling", is_vol_scaled=True, **parameters),
    }


# further strategies, as rows of the seed: those that no default row covers
MORE_ROWS = """\
expanding,expanding,false,,,,,,,,
ewma,ewma,false,,,,,,,7,
ewma_short,ewma,false,40h,,,,,,3,
error_correction,error_correction,false,,,,,,,,
vol_budget,rolling,false,,,,,,,,true
all_rules,rolling,true,,,,0.004,2,0.006,,
"""


def more_strategies(**parameters: float) -> dict[str, Strategy]:
    """Return the strategies of MORE_ROWS."""
    return {
        "expanding": Strategy("expanding", **parameters),
        "ewma": Strategy("ewma", halflife=7, **parameters),
        "ewma_short": Strategy("ewma", halflife=3, **parameters | {"beta_window": 40}),
        "error_correction": Strategy("error_correction", **parameters),
        "vol_budget": Strategy("rolling", is_vol_budget=True, **parameters),
        "all_rules": Strategy(
            "rolling",
            is_vol_scaled=True,
            rebalance_band=0.004,
            rebalance_every=2,
            min_trade=0.006,
            **parameters,
        ),
    }


def resample(times: np.ndarray, closes: np.ndarray, timeframe_ms: int) -> dict[int, float]:
    """Return bar open time: close, for the bars whose last raw bar is there."""
    spacings, counts = np.unique(np.diff(np.sort(times)), return_counts=True)
    step = spacings[counts == counts.max()].min()
    return {
        int(ts + step - timeframe_ms): float(close)
        for ts, close in zip(times, closes, strict=True)
        if (ts + step) % timeframe_ms == 0
    }


def accrued(prints: list[tuple[int, float]], until: int) -> float:
    """Return the funding that has accrued by a time, print by print."""
    total = 0.0
    for place, (ts, rate) in enumerate(prints):
        if place + 1 < len(prints):
            length = min(prints[place + 1][0] - ts, EIGHT_HOURS_MS)
        elif place:
            length = min(ts - prints[place - 1][0], EIGHT_HOURS_MS)
        else:
            length = EIGHT_HOURS_MS
        total += rate * min(max((until - ts) / length, 0.0), 1.0)
    return total


def hedge(
    spot: tuple[np.ndarray, np.ndarray],
    perp: tuple[np.ndarray, np.ndarray],
    prints: list[tuple[int, float]],
    timeframe_ms: int,
    fees_bps: float,
    strategies: dict[str, Strategy],
    start_ms: int = 0,
    end_ms: int | None = None,
) -> dict[str, dict[str, np.ndarray | float]]:
    """Return each strategy's evaluated bars and figures; {} where one never gets a ratio.

    No bar is decided before start_ms, and none is known that ends after end_ms.
    """
    spot_bars, perp_bars = resample(*spot, timeframe_ms), resample(*perp, timeframe_ms)
    times = [
        ts
        for ts in sorted(spot_bars.keys() & perp_bars.keys())
        if end_ms is None or ts + timeframe_ms <= end_ms
    ]
    closes = np.array([[spot_bars[ts], perp_bars[ts]] for ts in times])
    r_spot, r_fut = (closes[1:] / closes[:-1] - 1).T
    funding = np.diff([accrued(prints, ts + timeframe_ms) for ts in times])
    usable = np.diff(times) == timeframe_ms
    basis = closes[:-1, 1] / closes[:-1, 0] - 1
    periods = YEAR_MS / timeframe_ms

    ratios = {
        name: hold(target_ratios(strategy, r_spot, r_fut, basis, usable, periods))
        for name, strategy in strategies.items()
    }
    if any(np.isnan(ratio).all() for ratio in ratios.values()):
        return {}
    start = max(int(np.argmin(np.isnan(ratio))) for ratio in ratios.values())
    while times[start] + timeframe_ms < start_ms:
        start += 1
    window = slice(start, None)
    return {
        name: score(
            strategies[name],
            np.array(times[1:])[window],
            ratio[window],
            r_spot[window],
            r_fut[window],
            funding[window],
            closes[:-1, 0][window],
            fees_bps,
            periods,
        )
        for name, ratio in ratios.items()
    }


def target_ratios(
    strategy: Strategy,
    r_spot: np.ndarray,
    r_fut: np.ndarray,
    basis: np.ndarray,
    usable: np.ndarray,
    periods: float,
) -> np.ndarray:
    """Return the ratio for each bar from the bars before it; NaN while undefined."""
    ratios = np.full(len(r_spot), np.nan)
    for bar in range(len(r_spot)):
        if strategy.estimator == "none":
            beta = 0.0
        elif strategy.estimator == "naive":
            beta = 1.0
        elif strategy.estimator == "static":
            beta = slope(r_fut[usable, None], r_spot[usable], np.ones(usable.sum()))
        else:
            first = {"expanding": 0, "ewma": max(0, bar - 20 * strategy.halflife)}.get(
                strategy.estimator, bar - strategy.beta_window
            )
            frame = slice(first, bar)
            if bar < strategy.beta_window or not is_full(frame, usable):
                continue
            rows = np.arange(first, bar)[usable[frame]]
            regressors, weights = [r_fut[rows]], np.ones(len(rows))
            if strategy.estimator == "error_correction":
                regressors.append(basis[rows])
            if strategy.estimator == "ewma":
                weights = 0.5 ** ((bar - rows) / strategy.halflife)
            beta = slope(np.column_stack(regressors), r_spot[rows], weights)
        if strategy.is_vol_scaled or strategy.is_vol_budget:
            frame = slice(bar - strategy.vol_window, bar)
            if not is_full(frame, usable):
                continue
            volatility = np.std(r_spot[frame][usable[frame]], ddof=1) * np.sqrt(periods)
            scale = min(1.0, strategy.vol_target / volatility)
            beta *= 1 - scale if strategy.is_vol_budget else scale
        ratios[bar] = beta
    return ratios


def is_full(frame: slice, usable: np.ndarray) -> bool:
    """Return whether a frame lies within the rows, with 90 % of them usable."""
    return frame.start >= 0 and usable[frame].sum() >= 0.9 * (frame.stop - frame.start)


def slope(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return the slope on the first column of x, by weighted least squares with intercept.

    NaN without variance.
    """
    if len(x) < 2 or np.ptp(x[:, 0]) == 0:
        return np.nan
    root = np.sqrt(weights)
    design = np.column_stack([np.ones(len(x)), x]) * root[:, None]
    return float(np.linalg.lstsq(design, y * root, rcond=None)[0][1])


def hold(targets: np.ndarray) -> np.ndarray:
    """Return the targets with the last known one where one is undefined."""
    held = targets.copy()
    for bar in range(1, len(held)):
        if np.isnan(held[bar]):
            held[bar] = held[bar - 1]
    return held


def score(
    strategy: Strategy,
    times: np.ndarray,
    targets: np.ndarray,
    r_spot: np.ndarray,
    r_fut: np.ndarray,
    funding: np.ndarray,
    start_prices: np.ndarray,
    fees_bps: float,
    periods: float,
) -> dict[str, np.ndarray | float]:
    """Walk through the evaluated bars; return rows and figures."""
    before, ratio, trades, nets = 0.0, np.empty(len(times)), [], []
    growth, peak, drawdown = 1.0, 1.0, 0.0
    wealth, wealth_peak, wealth_drawdown = 1.0, 1.0, 0.0
    perp_pnl, perp_low = 0.0, 0.0
    for bar in range(len(times)):
        is_order = strategy.trades(bar, targets[bar], before)
        ratio[bar] = targets[bar] if is_order else before
        trade = ratio[bar] - before
        net = (
            r_spot[bar]
            - ratio[bar] * r_fut[bar]
            + ratio[bar] * funding[bar]
            - fees_bps / 10_000 * abs(trade)
        )
        growth *= 1 + net
        peak = max(peak, growth)
        drawdown = min(drawdown, growth / peak - 1)
        notional = start_prices[bar] / start_prices[0]
        wealth += notional * net
        wealth_peak = max(wealth_peak, wealth)
        wealth_drawdown = min(wealth_drawdown, wealth / wealth_peak - 1)
        perp_pnl -= notional * ratio[bar] * r_fut[bar]
        perp_low = min(perp_low, perp_pnl)
        before = ratio[bar] * (1 + r_fut[bar]) / (1 + r_spot[bar])
        trades.append(trade)
        nets.append(net)
    net, turnover = np.array(nets), float(np.abs(trades).sum())
    return {
        "ts": times,
        "hedge_ratio": ratio,
        "trade": np.array(trades),
        "r_net": net,
        "bars": len(times),
        "hedge_ratio_mean": ratio.mean(),
        "hedge_ratio_std": ratio.std(ddof=1),
        "variance_reduction": 1 - net.var(ddof=1) / r_spot.var(ddof=1),
        "variance_reduction_price": 1 - (r_spot - ratio * r_fut).var(ddof=1) / r_spot.var(ddof=1),
        "sharpe": net.mean() / net.std(ddof=1) * np.sqrt(periods),
        "volatility": net.std(ddof=1) * np.sqrt(periods),
        "turnover": turnover,
        "turnover_per_year": turnover * periods / len(times),
        "fees": -fees_bps / 10_000 * turnover,
        "funding": (ratio * funding).sum(),
        "total_return": growth - 1,
        "max_drawdown": drawdown,
        "pnl_frac": wealth - 1,
        "pnl_max_drawdown": wealth_drawdown,
        "perp_pnl_low": perp_low,
    }
