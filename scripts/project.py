"""Where the project lies, what its vars default to, and how it refuses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATABASE = ROOT / "data" / "hedge.duckdb"


class InputError(Exception):
    """Bad input or usage: one sentence with the file, the fault and the remedy."""


def default_vars() -> dict[str, Any]:
    """Return the vars of dbt_project.yml, the one place where defaults are set."""
    project: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    return project["vars"]


def sql_text(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def safe_name(symbol: str) -> str:
    """Return a symbol as a folder's name."""
    return re.sub(r"[^A-Za-z0-9-]", "_", symbol)
