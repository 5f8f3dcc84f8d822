"""Parquet files of many symbols: the sample's bars with noise on top, so that no two are alike."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from scripts.market_files import write_parquet
from scripts.sample_data import simulate

BARS, MINUTES = 145_920, 5  # 506 days
LEGS = ("spot", "perp", "funding")
SEED = 20250102


def base(bars: int, minutes: int) -> dict[str, pd.DataFrame]:
    """Return spot and perp bars and prints of the sample, whole, laid end to end."""
    spot, perp, prints = simulate()
    ts = pd.date_range(
        perp["timestamp"].iloc[0], periods=bars, freq=f"{minutes}min", name="timestamp"
    )
    rows = np.arange(bars) % len(perp)
    # the halt of spot is filled with the perp: benchmarks count bars, and all have the same
    whole = spot.set_index("timestamp").reindex(perp["timestamp"])
    whole = whole.fillna(perp.set_index("timestamp")).reset_index()
    frames = {
        leg: frame.iloc[rows].assign(timestamp=ts)
        for leg, frame in (("spot", whole), ("perp", perp.reset_index(drop=True)))
    }
    print_ts = ts[:: 8 * 60 // minutes]
    rates = prints["funding_rate"].to_numpy()
    frames["funding"] = pd.DataFrame(
        {
            "timestamp": print_ts,
            "funding_rate": rates[np.arange(len(print_ts)) % len(rates)],
        }
    )
    return frames


def write_universe(folder: Path, symbols: int, bars: int = BARS, minutes: int = MINUTES) -> None:
    """Write a spot, a perp and a funding file for each symbol; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        (number, files)
        for number, files in enumerate(files_of(folder, symbols))
        if not all(path.exists() for path in files.values())
    ]
    if not missing:
        return
    frames = base(bars, minutes)
    with duckdb.connect() as connection:
        for number, files in missing:
            for leg, frame in noisy(frames, number).items():
                if not files[leg].exists():
                    connection.register("frame", frame)
                    write_parquet(
                        connection,
                        "select * replace (timestamp::timestamptz as timestamp) from frame",
                        files[leg],
                    )


def noisy(frames: dict[str, pd.DataFrame], number: int) -> dict[str, pd.DataFrame]:
    """Return the bars and prints of a symbol, by leg: a path of its own on top of the base's."""
    random = np.random.Generator(np.random.PCG64([SEED, number]))
    bars = len(frames["spot"])
    common = np.exp(np.cumsum(5e-4 * random.standard_normal(bars)))
    found = {}
    for leg in LEGS:
        found[leg] = frame = frames[leg].assign(symbol=symbol_of(number))
        if leg == "funding":
            frame["funding_rate"] += 2e-5 * random.standard_normal(len(frame))
        else:
            factor = common * (1 + 1e-4 * random.standard_normal(bars))
            for price in ("open", "high", "low", "close"):
                frame[price] = frame[price].to_numpy() * factor
    return found


def symbol_of(number: int) -> str:
    """Return the name of a symbol."""
    return f"S{number:03}USDT"


def files_of(folder: Path, symbols: int) -> list[dict[str, Path]]:
    """Return the files of the first symbols, by leg."""
    return [
        {leg: folder / f"{leg}_{symbol_of(number)}.parquet" for leg in LEGS}
        for number in range(symbols)
    ]
