"""Where the project lies, what its vars default to, and how it refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


class InputError(Exception):
    """Bad input or usage: one sentence with the file, the fault and the remedy."""


def default_vars() -> dict[str, Any]:
    """Return the vars of dbt_project.yml, the one place where defaults are set."""
    return yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]


def database_path() -> Path:
    """Return the path of the built database: data/hedge.duckdb, as in profiles.yml."""
    return Path(os.environ.get("HEDGE_DATABASE", ROOT / "data" / "hedge.duckdb")).absolute()
