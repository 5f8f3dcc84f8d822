"""Fill in what is computed of a page: all between `<!-- name -->` and the next `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.project import InputError


def read_page(page: Path, names: Iterable[str] = ()) -> str:
    """Return the text of a page that has a place for each of the names.

    Raises InputError where it has not, or cannot be read.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"--page: {page} cannot be read ({error.strerror}).") from error
    for name in names:
        if not place_of(name).search(text):
            raise InputError(f"--page: {page} has no <!-- {name} --> before <!-- end -->.")
    return text


def place_of(name: str) -> re.Pattern[str]:
    """Return what matches a name, its part, which is the group, and the end."""
    return re.compile(rf"<!-- {re.escape(name)} -->\n(.*?)<!-- end -->", flags=re.DOTALL)


def filled(text: str, parts: dict[str, str]) -> str:
    """Return a page's text with the parts that it has places for."""
    for name, part in parts.items():
        whole = f"<!-- {name} -->\n{part}<!-- end -->"
        # in what re.sub is given, a backslash begins an escape
        text = place_of(name).sub(whole.replace("\\", r"\\"), text)
    return text


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
