"""Functions that dbt's connection to DuckDB has beside DuckDB's own (profiles.yml, plugins).

A build without a sweep registers none: DuckDB imports numpy to do so, which takes a tenth of a
second.
"""

from __future__ import annotations

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags
from duckdb import DuckDBPyConnection

from scripts.project import default_vars

ARGUMENTS = (
    "struct(r_spot double, r_fut double, funding_rate double, price_ratio double,"
    " notional double)[]",
    "double[][]",
    "struct(series bigint, band double, every bigint, min_trade double)[]",
    "bigint[][]",
    "bigint",
    "double",
    "double",
)
RETURNS = (
    "struct(first_target double, turnover double, funding double, perp_pnl_low double, net double,"
    " net_squares double, price double, price_squares double, ratio double, ratio_squares double,"
    " growth double, growth_low double, wealth double, wealth_low double, deviations double[])[]"
)


def sweep_walk(
    bars: Any,
    targets: Any,
    strategies: Any,
    places: Any,
    block_bars: Any,
    fee: Any,
    risk_aversion: Any,
) -> Any:
    """Return what the walks of a sweep end with (scripts.walk.sweep_walk says how)."""
    from scripts.walk import sweep_walk

    return sweep_walk(bars, targets, strategies, places, block_bars, fee, risk_aversion)


class Plugin(BasePlugin):  # type: ignore[misc]
    """What dbt-duckdb looks for in a module of the profile's plugins."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Give the connection the function sweep_walk, if the build has a sweep."""
        given = get_flags().VARS
        if not str(given.get("sweep", default_vars()["sweep"])).strip():
            return
        conn.create_function(
            "sweep_walk",
            sweep_walk,
            [conn.type(text) for text in ARGUMENTS],
            conn.type(RETURNS),
            type="arrow",
            null_handling="special",
        )
