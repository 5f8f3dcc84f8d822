"""Compare the figures of a peer with the project's, and stop where they differ."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from scripts.benchmark.peers import Figures
from scripts.project import BuildError

Panel = dict[str, dict[str, Figures]]
TOLERANCE = 1e-9
# A standard error from 1,000 draws is known to 2.2% if replicates are normal, and less well if
# their tails are heavy. Two sets of draws differ by 3.6% (one standard deviation, measured on 24
# symbols), so 20% is beyond chance. All strategies of all symbols take the same blocks, so the
# median moves with the draws, too.
DRAWN_TOLERANCE, DRAWN_MEDIAN_TOLERANCE = 0.20, 0.05
# below that, two series are the same but for rounding
NO_ERROR = 1e-9
KEYS = {
    "hedge_metrics": ["strategy"],
    "hedge_metrics_by_regime": ["strategy", "regime_kind", "regime"],
    "hedge_tails": ["strategy"],
    "carry_attribution": ["strategy", "month"],
    "variance_components": ["strategy", "component"],
    "leg_comovement": [],
    "coverage": ["source", "month"],
    "data_incidents": ["source", "kind", "severity", "ts"],
    "hedge_intervals": ["strategy", "metric"],
    "hedge_verdict": [],
}
# what depends on which blocks are drawn
DRAWN = {
    "hedge_intervals": ["std_error", "ci_low", "ci_high"],
    "hedge_verdict": ["ci_low", "ci_high"],
}
# of the project's ledger, the kinds that the peer looks for
CHECKED_KINDS = (
    "missing_bars",
    "duplicate_bars",
    "conflicting_bars",
    "flat_bars",
    "crossed_prices",
    "price_jump",
    "basis_beyond_bound",
    "perp_equals_spot",
)


def compare(ours: Panel, theirs: Panel, peer: str) -> None:
    """Raise BuildError where a figure of a peer is not ours."""
    for symbol, strategies in theirs.items():
        for strategy, figures in strategies.items():
            for name, value in figures.items():
                found = ours[symbol][strategy][name]
                if not abs(found - value) <= TOLERANCE * max(1.0, abs(value)):
                    raise BuildError(
                        f"{peer}: {name} of {strategy} on {symbol} is {value!r}, and {found!r} here"
                    )


def compare_tables(database: Path, theirs: dict[str, pd.DataFrame], peer: str) -> float:
    """Raise BuildError where a table of a peer is not the project's.

    Returns by how much a standard error differs at most, as a fraction.
    """
    furthest = 0.0
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, table in theirs.items():
            condition = f"where kind in {CHECKED_KINDS}" if name == "data_incidents" else ""
            ours = connection.execute(f"from {name} {condition}").fetchdf()
            furthest = max(furthest, compare_table(name, ours, table, peer))
    return furthest


def compare_table(name: str, ours: pd.DataFrame, theirs: pd.DataFrame, peer: str) -> float:
    """Raise BuildError where a table differs; return by how much a standard error does."""
    keys = ["symbol", *KEYS[name]]
    both = matched(name, ours, theirs, keys, peer)
    if name == "hedge_verdict":
        both = both[~is_undecided(both)]
    drawn = DRAWN.get(name, [])
    is_drawn = pd.Series(bool(drawn), index=both.index)
    if name == "hedge_intervals":
        # its error follows from the sample alone, and only its quantile is another
        is_drawn &= both["metric"] != "sharpe_long_run"
    for column in theirs.columns.difference(keys):
        their, our = both[f"{column}_theirs"], both[f"{column}_ours"]
        if column not in drawn or column == "std_error":
            differs = ~is_equal(our, their)
            if column in drawn:
                differs &= ~is_drawn
            refuse(name, column, both[differs], keys, peer)
    if not drawn:
        return 0.0
    # ends of intervals are compared in units of their own width
    half_width = (both["ci_high_ours"] - both["ci_low_ours"]).abs() / 2
    for column in drawn:
        unit = both["std_error_ours"] if column == "std_error" else half_width
        distance = (both[f"{column}_ours"] - both[f"{column}_theirs"]).abs()
        is_far = ~(distance <= DRAWN_TOLERANCE * unit + NO_ERROR)
        refuse(name, column, both[is_far], keys, peer)
    if name == "hedge_verdict":
        return 0.0
    is_known = is_drawn & (both["std_error_ours"] > NO_ERROR)
    ratios = both["std_error_theirs"][is_known] / both["std_error_ours"][is_known]
    if abs(ratios.median() - 1) > DRAWN_MEDIAN_TOLERANCE:
        raise BuildError(f"{peer}: the median standard error is {ratios.median():.3f} times ours")
    return float((ratios - 1).abs().max())


def matched(
    name: str, ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str], peer: str
) -> pd.DataFrame:
    """Return the rows of both tables side by side; raise BuildError where one has others."""
    for table in (ours, theirs):
        for column in ("month", "ts"):
            if column in keys:
                table[column] = pd.to_datetime(table[column]).astype("datetime64[us]")
    both = ours.merge(theirs, on=keys, how="outer", suffixes=("_ours", "_theirs"), indicator=True)
    if single := both[both["_merge"] != "both"].to_dict("records"):
        side = "only the peer" if single[0]["_merge"] == "right_only" else "only the project"
        row = " ".join(str(single[0][key]) for key in keys)
        raise BuildError(f"{peer}: {side} has {row} in {name}, and {len(single) - 1} other rows")
    return both


def is_undecided(both: pd.DataFrame) -> pd.Series:
    """Return where another draw may name another winner: the lower end is near 0."""
    half_width = (both["ci_high_ours"] - both["ci_low_ours"]) / 2
    is_other = both["is_replaced_ours"].astype(bool) != both["is_replaced_theirs"].astype(bool)
    near = np.minimum(both["ci_low_ours"].abs(), both["ci_low_theirs"].abs())
    return is_other & (near <= DRAWN_TOLERANCE * half_width)


def is_equal(ours: pd.Series, theirs: pd.Series) -> pd.Series:
    """Return where two columns agree: numbers within TOLERANCE, and nothing with nothing."""
    is_unknown = ours.isna() & theirs.isna()
    if pd.api.types.is_numeric_dtype(theirs) and not pd.api.types.is_bool_dtype(theirs):
        our, their = ours.astype(float), theirs.astype(float)
        return is_unknown | ((our - their).abs() <= TOLERANCE * their.abs().clip(lower=1.0))
    if pd.api.types.is_datetime64_any_dtype(theirs):
        return is_unknown | (pd.to_datetime(ours) == theirs)
    return is_unknown | (ours == theirs)


def refuse(name: str, column: str, rows: pd.DataFrame, keys: list[str], peer: str) -> None:
    """Raise BuildError if there are rows, naming the first."""
    for row in rows.to_dict("records"):
        of = " ".join(str(row[key]) for key in keys)
        raise BuildError(
            f"{peer}: {column} of {of} in {name} is {row[f'{column}_theirs']!r}, and"
            f" {row[f'{column}_ours']!r} here"
        )
