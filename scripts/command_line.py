"""What the commands have in common: arguments, refusals of one line, exit codes and streams."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import multiprocessing
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import duckdb

from scripts.files import private_folder
from scripts.project import ROOT, BuildError, InputError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
NO_MEMORY = re.compile(
    "out of memory|MemoryError|cannot allocate memory|can't start new thread|bad.alloc",
    re.IGNORECASE,
)
# the system takes 103 bytes or more for a socket's path, and its name takes 18
LONGEST_PATH_FOR_SOCKETS = 80
LONGEST_MESSAGE = 1_600
SCRATCH_PREFIX = "spot-perp-hedge-"
OUT_OF_MEMORY = (
    "out of memory: close other programs, set HEDGE_MEMORY_LIMIT to less than is free, or give"
    " fewer symbols."
)


class OneLineParser(argparse.ArgumentParser):
    """A parser whose refusals are one line, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        """Refuse usage in one line and exit with 2."""
        self.exit(2, f"error: {one_line(message)}; see python -m {self.prog} --help\n")

    def parse_args(  # type: ignore[override]  # no other namespace is filled
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse, and refuse values of flags that are not UTF-8, which no database takes."""
        parsed = super().parse_args(args)
        for action in self._actions:
            if action.option_strings:
                check_is_utf8(action.option_strings[0], getattr(parsed, action.dest, None))
        return parsed


def one_line(message: str) -> str:
    """Return a message as one line of text that a terminal shows and does not obey.

    Of a very long one, the middle is left out: the fault and the remedy are at its ends.
    """
    folded = " ".join(message.split())
    if len(folded) > LONGEST_MESSAGE:
        folded = f"{folded[: LONGEST_MESSAGE // 2]} … {folded[-LONGEST_MESSAGE // 2 :]}"
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in folded
    )


def number(text: str) -> int | float:
    """Return a number as people write it: ASCII digits, a point, an exponent.

    Raises ArgumentTypeError, which is a refusal of the parser, for anything else.
    """
    if WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    raise argparse.ArgumentTypeError(f"{text} is not a number such as 5, 0.5 or 1e-3")


def whole_number(text: str) -> int:
    """Return a whole number written in ASCII digits; raises ArgumentTypeError for another."""
    if WHOLE_NUMBER.fullmatch(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a whole number such as 5")


def run_command(
    work: Callable[[], Iterable[object]],
    unwritten: str = "the results could not be written ({}): make room on the disk, or check the"
    " folder's permissions.",
    stopped: str = "stopped; nothing was written",
) -> int:
    """Do a command's work, and print the lines that it yields; return the exit code.

    stdout holds these lines, mostly paths, and nothing else. stderr says in one sentence what
    went wrong: 1 where tests or downloads failed, 2 for bad input or where something could not
    be written, 130 after an interrupt. unwritten and stopped are the sentences for the last
    two, {} standing for the reason.
    """
    open_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check_is_utf8("the project's folder", ROOT)
        check_is_utf8("the current folder", working_folder())
        with scratch_folder():
            print_lines(iter(work()))
    except InputError as error:
        say(f"error: {one_line(str(error))}")
        return 2
    except BuildError as error:
        # a line for each test or download that failed
        say("\n".join(map(one_line, str(error).splitlines())))
        return 1
    except KeyboardInterrupt:
        say(stopped)
        return 130
    except (OSError, MemoryError, RuntimeError, duckdb.Error) as error:
        if is_interrupt(error):
            say(stopped)
            return 130
        if is_out_of_memory(error):
            say(f"error: {OUT_OF_MEMORY}")
        elif isinstance(error, OSError | duckdb.IOException):
            say(f"error: {unwritten.format(one_line(str(error)) or type(error).__name__)}")
        else:
            raise
        return 2
    return 0


def open_streams() -> None:
    """Open the standard streams that are closed on the null device.

    Otherwise the next file that is opened takes a closed stream's number, and is written to.
    """
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # whatever the locale: a path is written as the file system has it
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def say(message: str) -> None:
    """Write a message to stderr; one that nobody can read is no failure."""
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def print_lines(lines: Iterator[object]) -> None:
    """Print lines to stdout as they come; raises InputError where it takes none."""
    for line in lines:
        try:
            print(line, flush=True)
        except OSError as error:
            # what is left in the buffer would fail again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            untold = " ".join(map(str, [line, *lines]))
            raise InputError(
                f"stdout cannot be written to ({error.strerror}): redirect it elsewhere. The"
                f" results are there: {untold}"
            ) from error


def check_is_utf8(what: str, value: object) -> None:
    """Refuse a text, a path or a list of them that is not UTF-8; what names it."""
    for text in map(str, value if isinstance(value, list) else [value]):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what}: {text!a} is not UTF-8: rename it, or set LC_ALL=C.UTF-8 if the terminal"
                " has another encoding."
            ) from error


def folder_path(text: str) -> Path:
    """Return a folder of a flag with its whole path; raises ArgumentTypeError for none."""
    if not text:
        raise argparse.ArgumentTypeError("no folder: give its path")
    return Path(os.path.expanduser(text)).absolute()


def working_folder() -> str:
    """Return the folder that relative paths begin in; raises InputError where it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise InputError("the current folder was deleted: change to another.") from error


@contextlib.contextmanager
def scratch_folder() -> Iterator[None]:
    """Have every temporary file of this process, and of those it starts, in one folder.

    A killed process leaves it; the next command removes it.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(private_folder(Path(tempfile.gettempdir()), SCRATCH_PREFIX))
        sockets = folder
        if len(str(folder)) > LONGEST_PATH_FOR_SOCKETS:
            sockets = stack.enter_context(private_folder(Path("/tmp"), SCRATCH_PREFIX))
        before = tempfile.tempdir, os.environ.get("TMPDIR")
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        # else it makes a folder in this one, and wants it to be there after the end
        vars(multiprocessing.current_process())["_config"]["tempdir"] = str(sockets)
        try:
            yield
        finally:
            tempfile.tempdir = before[0]
            if before[1] is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before[1]


@contextlib.contextmanager
def writable_folder(folder: Path) -> Iterator[None]:
    """Make sure that a folder can be written to; leave no empty folder of ours behind.

    Raises InputError where it cannot.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(
                f"--out: {folder} cannot be written to ({error.strerror}): choose another folder."
            ) from error
        yield
    finally:
        for path in created:
            with contextlib.suppress(OSError):
                path.rmdir()


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is what an interrupt becomes within DuckDB."""
    return "Query interrupted" in str(error) or isinstance(error, duckdb.InterruptException)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, or room for a thread, is used up."""
    return isinstance(error, MemoryError) or tells_of_memory(str(error))


def tells_of_memory(message: str) -> bool:
    """Whether a message of DuckDB, Python or the system says that memory is used up."""
    return bool(NO_MEMORY.search(message))
