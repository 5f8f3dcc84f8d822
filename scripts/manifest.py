"""Keep what dbt parsed of the project, so that later runs of the same files need not parse it.

dbt applies vars when it compiles a node's SQL, so one manifest serves runs with other vars. The
few vars that decide which nodes there are, or what they refer to, are part of its key, as are the
project's files and the versions of all that reads them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from scripts.files import private_folder, put_in_place
from scripts.project import ROOT, default_vars

KEPT = ROOT / "target" / "parsed"
HEADER = b"spot-perp-hedge manifest 1\n"
# whose code writes, reads or fills a manifest; their macros are in it, too
PACKAGES = (
    "dbt-adapters",
    "dbt-common",
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "Jinja2",
    "mashumaro",
    "msgpack",
)
# where dbt looks for files of a project that names no other folders
FOLDERS = {
    "model-paths": ["models"],
    "macro-paths": ["macros"],
    "seed-paths": ["seeds"],
    "analysis-paths": ["analyses"],
    "test-paths": ["tests"],
    "snapshot-paths": ["snapshots"],
    "function-paths": ["functions"],
    "docs-paths": [],
    "packages-install-path": "dbt_packages",
}
READ_BY_DBT = frozenset({".sql", ".yml", ".yaml", ".md", ".csv", ".json", ".py"})


def shape(dbt_vars: dict[str, Any]) -> dict[str, Any]:
    """Return what vars mean to the graph: which nodes there are, and what they refer to.

    A var that dbt_project.yml does not list may mean anything, and counts as it is.
    """
    defaults = default_vars()
    given = defaults | dbt_vars
    timeframes = given["timeframe"]
    if isinstance(timeframes, str):
        timeframes = re.split(r"[,\s]+", timeframes.strip(", \t\n"))
    return {
        "has_perp": bool(given["perp"]),
        "has_sweep": bool(str(given["sweep"]).strip()),
        "has_several_timeframes": len(set(map(str, timeframes))) > 1,
        **{name: value for name, value in given.items() if name not in defaults},
    }


@functools.cache
def versions() -> tuple[str, ...]:
    """Return the versions of Python and of the packages that a manifest depends on."""
    return (sys.version, *(f"{name} {metadata.version(name)}" for name in PACKAGES))


def project_files() -> list[Path]:
    """Return the files that dbt reads of the project."""
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    files = [path for path in ROOT.iterdir() if path.suffix in (".yml", ".yaml")]
    files += filter(Path.exists, [ROOT / ".dbtignore", ROOT / ".user.yml"])
    for name, usual in FOLDERS.items():
        folders = project.get(name, usual)
        for folder in [folders] if isinstance(folders, str) else folders:
            for place, _, names in os.walk(ROOT / folder):
                files += [Path(place, name) for name in names]
    return sorted({path for path in files if path.suffix in READ_BY_DBT or path.parent == ROOT})


def key(dbt_vars: dict[str, Any]) -> str:
    """Return a digest of all that a manifest depends on.

    Raises OSError where a file of the project cannot be read.
    """
    digest = hashlib.sha256()

    def add(part: bytes) -> None:
        # its length first: no two lists of parts give the same bytes
        digest.update(len(part).to_bytes(8, "big") + part)

    settings = {name: value for name, value in os.environ.items() if name.startswith("DBT_")}
    add(json.dumps([str(ROOT), versions(), shape(dbt_vars), settings], default=str).encode())
    for path in project_files():
        add(os.fsencode(path))
        add(path.read_bytes())
    return digest.hexdigest()


def place(dbt_vars: dict[str, Any], folder: Path = KEPT) -> Path:
    """Return where the manifest of vars is kept: a file for each shape of the graph."""
    name = hashlib.sha256(json.dumps(shape(dbt_vars), default=str).encode()).hexdigest()[:16]
    return folder / f"{name}.msgpack"


def read(path: Path, digest: str) -> bytes | None:
    """Return a kept manifest; None where there is none of this key, or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    head = HEADER + digest.encode() + b"\n"
    body = content[len(head) + hashlib.sha256().digest_size :]
    if content[: len(content) - len(body)] != head + hashlib.sha256(body).digest():
        return None
    return body


def keep(made: Path, path: Path, digest: str) -> None:
    """Keep what dbt parsed for later runs; without it they are slower, and no worse.

    digest is the key from before dbt read the files.
    """
    with contextlib.suppress(OSError):
        body = made.read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        # a folder of its own: runs at once do not write into each other's file
        with private_folder(path.parent, ".writing-") as folder:
            written = folder / path.name
            written.write_bytes(
                HEADER + digest.encode() + b"\n" + hashlib.sha256(body).digest() + body
            )
            put_in_place(written, path)
