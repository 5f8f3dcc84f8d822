"""Parquet files of many symbols: the sample's bars with noise on top, so that no two are alike."""

from __future__ import annotations

import itertools
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from scripts.market_files import write_parquet
from scripts.results import VOL_TARGETS, WINDOWS
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


def write_universe(
    folder: Path,
    symbols: int,
    bars: int = BARS,
    minutes: int = MINUTES,
    has_faults: bool = False,
) -> None:
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
            made = noisy(frames, number)
            if has_faults:
                made = faulty(made, number)
            for leg, frame in made.items():
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


def faulty(frames: dict[str, pd.DataFrame], number: int) -> dict[str, pd.DataFrame]:
    """Return the bars of a symbol with holes, copies, and flat, crossed, false and equal prices.

    No row that ends an hour is lost or changed in one leg alone, so peers that read the last
    close of an hour need not look for faults.
    """
    random = np.random.Generator(np.random.PCG64([SEED, number, 1]))
    prices = ["open", "high", "low", "close"]
    found = dict(frames)
    hours = len(frames["spot"]) * MINUTES // 60
    equal = slice(1200 * number + 5000, 1200 * number + 5119)
    for leg in ("spot", "perp"):
        frame = frames[leg].reset_index(drop=True)
        if leg == "perp":
            frame.loc[equal, prices] = frames["spot"].reset_index(drop=True).loc[equal, prices]
        # each fault has an hour of its own, of twelve raw bars
        firsts = iter(random.choice(hours, 20, replace=False) * (60 // MINUTES))
        crossed, flat = next(firsts) + 2, next(firsts) + 3
        frame.loc[crossed, "high"] = frame.loc[crossed, "close"] * 0.999
        frame.loc[crossed, "low"] = frame.loc[crossed, "close"] * 0.998
        frame.loc[flat, ["open", "high", "low"]] = frame.loc[flat, "close"]
        frame.loc[flat, "volume"] = 0
        false = next(firsts) + 5
        frame.loc[false, ["high", "close"]] = frame.loc[false, "high"] * 1.03
        copied = [next(firsts) + 1, next(firsts) + 4]
        conflicting = [next(firsts) + 6, next(firsts) + 7]
        holes = [first + place for first in (next(firsts), next(firsts)) for place in (2, 3, 8)]
        copies = [frame.loc[copied], frame.loc[conflicting].assign(volume=1.0)]
        rows = pd.concat([frame.drop(index=holes), *copies]).sort_index(kind="stable")
        found[leg] = rows.reset_index(drop=True)
    return found


def write_sweep(path: Path, strategies: int) -> None:
    """Write a sweep of hundreds of strategies: ten windows, ten targets, and as many bands."""
    bands = [0.0, *np.geomspace(0.0005, 0.05, strategies // 100 - 1).round(6)]
    lines = ["strategy,estimator,is_vol_scaled,beta_window,vol_target,rebalance_band"]
    for window, band, target in itertools.product(WINDOWS, bands, VOL_TARGETS):
        name = f"w{window}_b{band:g}" + (f"_v{target}" if target else "")
        lines.append(f"{name},rolling,{bool(target)},{window},{target or ''},{band:g}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def symbol_of(number: int) -> str:
    """Return the name of a symbol."""
    return f"S{number:03}USDT"


def files_of(folder: Path, symbols: int) -> list[dict[str, Path]]:
    """Return the files of the first symbols, by leg."""
    return [
        {leg: folder / f"{leg}_{symbol_of(number)}.parquet" for leg in LEGS}
        for number in range(symbols)
    ]
