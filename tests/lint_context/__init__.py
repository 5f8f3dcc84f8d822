"""What dbt gives to Jinja, for sqlfluff to render the models without dbt or any data.

The names are those that the models and macros use. Values are the project's defaults, and
files as an exchange writes them: what matters is that the SQL is whole.
"""

from __future__ import annotations

import datetime as datetime_module
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import yaml

PROJECT = yaml.safe_load((Path(__file__).resolve().parents[2] / "dbt_project.yml").read_text())
LAYOUT = {
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "open": "DOUBLE",
    "high": "DOUBLE",
    "low": "DOUBLE",
    "close": "DOUBLE",
    "volume": "DOUBLE",
    "funding_rate": "DOUBLE",
}

execute = True
run_started_at = datetime(2026, 1, 1)
invocation_args_dict = SimpleNamespace(vars={})


def var(name: str, default: object = None) -> object:
    """Return a var of dbt_project.yml."""
    return PROJECT["vars"].get(name, default)


builtins = SimpleNamespace(var=var)

# a table, a question and an analysis as dbt's graph has them
project_name = PROJECT["name"]
METRICS = SimpleNamespace(
    name="hedge_metrics",
    resource_type="model",
    description="Figures.",
    columns={"sharpe": SimpleNamespace(data_type="double")},
    config=SimpleNamespace(materialized="table", meta={}),
)
QUESTION = SimpleNamespace(
    name="what_if",
    resource_type="model",
    description="Other costs.",
    config=SimpleNamespace(materialized="table_function", meta={"example": "what_if(5)"}),
)
ANALYSIS = SimpleNamespace(
    name="collateral",
    resource_type="analysis",
    description="How much?",
    original_file_path="analyses/collateral.sql",
)
graph = SimpleNamespace(
    nodes={f"model.{project_name}.{node.name}": node for node in (METRICS, QUESTION, ANALYSIS)}
)
# the model that reads its own properties
model = SimpleNamespace(
    config=SimpleNamespace(
        meta=SimpleNamespace(queries=[{"sql": "select EXPRESSION", "figures": {"bars": "1"}}])
    )
)


def run_query(query: str) -> SimpleNamespace:
    """Return a file's schema, which is all that models ask a database for."""
    root = {"name": "schema", "type": None, "children": len(LAYOUT)}
    columns = [{"name": name, "type": kind, "children": None} for name, kind in LAYOUT.items()]
    schema = {"file": "file.parquet", "nodes": [root, *columns]}
    return SimpleNamespace(rows=[(json.dumps(schema),)])


def refuse(message: str) -> NoReturn:
    """Fail, as the macros do on bad vars."""
    raise ValueError(message)


exceptions = SimpleNamespace(raise_compiler_error=refuse)
modules = SimpleNamespace(datetime=datetime_module)


def try_or_compiler_error(_: str, function: Callable, *arguments: object) -> object:
    """Call a function."""
    return function(*arguments)
