"""Functions that dbt's connection to DuckDB has beside DuckDB's own (profiles.yml, plugins).

A build without a sweep registers none, since that and the function import numpy and pyarrow: a
seventh of a second.
"""

from __future__ import annotations

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.flags import get_flags
from duckdb import DuckDBPyConnection
from duckdb.func import ARROW, SPECIAL

from scripts.project import default_vars


class Plugin(BasePlugin):
    """What dbt-duckdb looks for in a module of the profile's plugins."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Give the connection the function sweep_walk, if the build has a sweep."""
        given = get_flags().VARS  # type: ignore[no-untyped-call]
        if not str(given.get("sweep", default_vars()["sweep"])).strip():
            return
        from scripts import walk

        conn.create_function(
            "sweep_walk",
            walk.sweep_walk,
            [conn.type(text) for text in walk.ARGUMENTS],
            conn.type(walk.RETURNS),
            type=ARROW,
            null_handling=SPECIAL,
        )
