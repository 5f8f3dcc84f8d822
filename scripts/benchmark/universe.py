"""Parquet files of many symbols: the sample's bars with noise on top, so that no two are alike."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from scripts.sample_data import simulate

BARS = 145_920  # of 5 minutes: 506 days
LEGS = ("spot", "perp", "funding")
SEED = 20250102


def base() -> dict[str, pd.DataFrame]:
    """Return spot and perp bars and prints of the sample, whole, laid end to end to BARS bars."""
    spot, perp, prints = simulate()
    ts = pd.date_range(perp["timestamp"].iloc[0], periods=BARS, freq="5min", name="timestamp")
    rows = np.arange(BARS) % len(perp)
    # the halt of spot is filled with the perp: benchmarks count bars, and all have the same
    whole = spot.set_index("timestamp").reindex(perp["timestamp"])
    whole = whole.fillna(perp.set_index("timestamp")).reset_index()
    frames = {leg: frame.iloc[rows].assign(timestamp=ts) for leg, frame in
              (("spot", whole), ("perp", perp.reset_index(drop=True)))}
    print_ts = ts[::96]
    rates = prints["funding_rate"].to_numpy()
    frames["funding"] = pd.DataFrame({
        "timestamp": print_ts, "funding_rate": rates[np.arange(len(print_ts)) % len(rates)],
    })
    return frames


def write_universe(folder: Path, symbols: int) -> None:
    """Write a spot, a perp and a funding file for each symbol, zstd; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = base()
    with duckdb.connect() as connection:
        for number in range(symbols):
            symbol = f"S{number:03}USDT"
            random = np.random.Generator(np.random.PCG64([SEED, number]))
            common = np.exp(np.cumsum(5e-4 * random.standard_normal(BARS)))
            for leg in LEGS:
                path = folder / f"{leg}_{symbol}.parquet"
                frame = frames[leg].assign(symbol=symbol)
                if leg == "funding":
                    frame["funding_rate"] += 2e-5 * random.standard_normal(len(frame))
                else:
                    factor = common * (1 + 1e-4 * random.standard_normal(BARS))
                    for price in ("open", "high", "low", "close"):
                        frame[price] = frame[price].to_numpy() * factor
                if path.exists():
                    continue
                connection.register("frame", frame)
                connection.execute(
                    f"copy (select * replace (timestamp::timestamptz as timestamp) from frame)"
                    f" to '{path}' (format parquet, compression zstd)"
                )


def files_of(folder: Path, symbols: int) -> list[dict[str, Path]]:
    """Return the files of the first symbols, by leg."""
    return [
        {leg: folder / f"{leg}_S{number:03}USDT.parquet" for leg in LEGS}
        for number in range(symbols)
    ]
