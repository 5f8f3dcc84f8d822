"""What the commands have in common: refusals of one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """A parser whose refusals are one line, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        """Refuse usage in one line and exit with 2."""
        self.exit(2, f"error: {message}; see python -m {self.prog} --help\n")


def one_line(message: str) -> str:
    """Return a message with its line breaks and runs of spaces folded."""
    return " ".join(message.split())
