"""Where the project lies, what its vars default to, and how it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATABASE = ROOT / "data" / "hedge.duckdb"


class InputError(Exception):
    """Bad input or usage: one sentence with the file, the fault and the remedy."""


class BuildError(Exception):
    """A build that failed; the message names what failed and how to look at it."""


def default_vars() -> dict[str, Any]:
    """Return the vars of dbt_project.yml, the one place where defaults are set."""
    project: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    return project["vars"]


def sql_text(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def folder_name(symbol: str) -> str:
    """Return a symbol as a folder's name, another for each symbol: percent-encoded UTF-8."""
    return quote(symbol, safe="")
