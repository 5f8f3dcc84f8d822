"""Make 12 months of BTCUSDT that look like the real thing, for a machine without a network.

usage: python -m scripts.sample_data [--out data/raw]

Writes binance_{spot,perp}_BTCUSDT_sample_5m.parquet and
binance_funding_BTCUSDT_sample.parquet: invented prices with the statistics of the real ones
(see `simulate`), the same values each time, and two known faults: a spot halt of two hours
and a missing funding print.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.command_line import OneLineParser, folder_path, run_command, writable_folder
from scripts.database import connect
from scripts.market_files import write_parquet
from scripts.project import ROOT, InputError

SEED = 20250101
START, END = pd.Timestamp("2025-01-01", tz="UTC"), pd.Timestamp("2026-01-01", tz="UTC")
BARS_PER_YEAR = 365 * 24 * 12
BARS_PER_PRINT = 8 * 12
SPOT_HALT = (pd.Timestamp("2025-03-15 10:00", tz="UTC"), pd.Timestamp("2025-03-15 12:00", tz="UTC"))
FILE_NAMES = (
    "binance_spot_BTCUSDT_sample_5m.parquet",
    "binance_perp_BTCUSDT_sample_5m.parquet",
    "binance_funding_BTCUSDT_sample.parquet",
)
MISSING_PRINT = pd.Timestamp("2025-06-10 08:00", tz="UTC")


def simulate() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return spot bars, perp bars and funding prints, times in UTC.

    Spot moves by fat-tailed shocks whose volatility clusters around 45 % a year and follows
    the hours of the day. The basis reverts to -3.5 bp with a half-life of 8 hours and carries
    noise of its own at each bar, so that the legs correlate with about 0.9997 at 1h and less at
    5m. Funding follows the basis of the 8 hours before by the exchange's formula.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    times = pd.date_range(START, END, freq="5min", inclusive="left", name="timestamp")
    bars = len(times)

    volatility = 0.45 / np.sqrt(BARS_PER_YEAR) * volatility_clusters(random, times)
    shocks = random.standard_t(4, bars) / np.sqrt(2)  # t(4) has variance 2
    spot = 93_500 * np.exp(np.cumsum(volatility * shocks))

    slow = reverting(random, bars, half_life_bars=8 * 12, deviation=2e-4)
    noise = 0.042 * volatility * random.standard_normal(bars)
    basis = -3.5e-4 + slow + noise
    perp = spot * (1 + basis)

    spot_bars = ohlcv(random, times, spot, volatility, tick=2, lot=5, trades=250.0)
    perp_bars = ohlcv(random, times, perp, volatility, tick=1, lot=3, trades=1200.0)
    is_halted = (times >= SPOT_HALT[0]) & (times < SPOT_HALT[1])
    return spot_bars[~is_halted], perp_bars, prints(times, basis)


def volatility_clusters(random: np.random.Generator, times: pd.DatetimeIndex) -> np.ndarray:
    """Return factors around 1: bursts that fade over two days, and busy hours of the day."""
    bursts = np.exp(reverting(random, len(times), half_life_bars=2 * 24 * 12, deviation=0.5))
    hour = (times.hour + times.minute / 60).to_numpy()
    factors = bursts * (1 + 0.35 * np.sin(2 * np.pi * (hour - 9) / 24))
    scaled: np.ndarray = factors / np.sqrt(np.mean(factors**2))
    return scaled


def reverting(
    random: np.random.Generator, bars: int, half_life_bars: float, deviation: float
) -> np.ndarray:
    """Return a stationary AR(1) path around 0 with a half-life and a standard deviation."""
    persistence = 0.5 ** (1 / half_life_bars)
    shocks = deviation * np.sqrt(1 - persistence**2) * random.standard_normal(bars)
    path = np.empty(bars)
    level = deviation * random.standard_normal()
    for bar in range(bars):
        level = persistence * level + shocks[bar]
        path[bar] = level
    return path


def ohlcv(
    random: np.random.Generator,
    times: pd.DatetimeIndex,
    price: np.ndarray,
    volatility: np.ndarray,
    tick: int,
    lot: int,
    trades: float,
) -> pd.DataFrame:
    """Return bars around closes; tick and lot are decimals of price and volume."""
    close = np.round(price, tick)
    opens = np.concatenate([close[:1], close[:-1]])
    reach = 0.5 * volatility * price
    high = np.maximum(opens, close) + reach * random.exponential(size=len(close))
    low = np.minimum(opens, close) - reach * random.exponential(size=len(close))
    activity = volatility / volatility.mean()
    volume = trades * activity * np.exp(0.6 * random.standard_normal(len(close)))
    return pd.DataFrame(
        {
            "timestamp": times,
            "open": opens,
            "high": np.round(high, tick),
            "low": np.round(low, tick),
            "close": close,
            "volume": np.round(volume, lot),
        }
    )


def prints(times: pd.DatetimeIndex, basis: np.ndarray) -> pd.DataFrame:
    """Return the funding of each 8 hours: the premium, pulled towards 1 bp by 5 bp at most."""
    premium = basis.reshape(-1, BARS_PER_PRINT).mean(axis=1)
    rate = premium + np.clip(1e-4 - premium, -5e-4, 5e-4)
    # paid at the end of the 8 hours that it was measured over; the first is not known yet
    frame = pd.DataFrame(
        {
            "timestamp": times[::BARS_PER_PRINT],
            "symbol": "BTCUSDT",
            "funding_rate": np.round(np.concatenate([[1e-4], rate[:-1]]), 8),
        }
    )
    return frame[frame["timestamp"] != MISSING_PRINT]


def remove_sample(folder: Path) -> list[Path]:
    """Remove the sample files from a folder that real ones are written to; return their paths."""
    found = [folder / name for name in FILE_NAMES if (folder / name).exists()]
    for path in found:
        path.unlink()
    return found


def write_sample(argv: list[str]) -> list[Path]:
    """Write the sample files into the folder of the command line; return their paths."""
    parser = OneLineParser(
        prog="scripts.sample_data",
        description="Make 12 months of BTCUSDT that look like the real thing.",
    )
    parser.add_argument("--out", type=folder_path, default=ROOT / "data" / "raw", metavar="DIR")
    out = parser.parse_args(argv).out
    real = [path for path in out.glob("*.parquet") if path.name not in FILE_NAMES]
    if real:
        raise InputError(
            f"--out: {out} holds {real[0].name}, and the sample would mix with it: choose another"
            " folder."
        )
    with writable_folder(out), connect() as connection:
        for frame, name in zip(simulate(), FILE_NAMES, strict=True):
            connection.register("frame", frame)
            write_parquet(
                connection,
                "select * replace (timestamp::timestamptz as timestamp) from frame",
                out / name,
            )
    return [out / name for name in FILE_NAMES]


def main() -> int:
    """Run the command line; return the exit code."""
    return run_command(lambda: write_sample(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
