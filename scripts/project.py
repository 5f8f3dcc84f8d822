"""Where the project lies, what its vars default to, and how it refuses."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

ROOT = Path(__file__).resolve().parents[1]
DATABASE = ROOT / "data" / "hedge.duckdb"
NAME_LETTERS = frozenset(string.ascii_letters + string.digits + "-_/:.")
# file systems take 255 bytes, and a time in front or behind
LONGEST_FOLDER_NAME = 200


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


def check_name(what: str, name: str) -> None:
    """Refuse a symbol or a strategy's name that could be anything but a name.

    Letters of any script, digits and - _ / : . are taken, so that no name is a path, a flag,
    or a word of SQL, Jinja, a shell or HTML; letters in their plain form alone, so that no two
    names look the same. what begins the sentence: the file or flag, and whose name it is.

    Raises InputError.
    """
    is_plain = all(
        letter in NAME_LETTERS
        or unicodedata.category(letter)[0] == "L"
        or (place and unicodedata.category(letter) in ("Mn", "Mc"))
        for place, letter in enumerate(name)
    )
    is_normal = unicodedata.is_normalized("NFKC", name)
    if not name or not is_plain or not is_normal or name[0] in "-." or ".." in name:
        raise InputError(
            f"{what} is {name!r}: use letters, digits and - _ / : . only, without - or . at the"
            " start and without two dots in a row."
        )
    if len(folder_name(name)) > LONGEST_FOLDER_NAME:
        raise InputError(f"{what} is too long ({name[:40]}…): shorten it.")


def check_letter_case(what: str, names: Iterable[str]) -> None:
    """Refuse names that differ in letter case alone, which some file systems take for one.

    Raises InputError.
    """
    known: dict[str, str] = {}
    for name in sorted(set(names)):
        other = known.setdefault(name.casefold(), name)
        if other != name:
            raise InputError(
                f"{what} {other} and {name} differ in letter case only: use one spelling, or"
                " leave one out."
            )


def folder_name(symbol: str) -> str:
    """Return a symbol as a folder's name, another for each symbol: percent-encoded UTF-8."""
    return quote(symbol, safe="")
