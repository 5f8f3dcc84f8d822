"""Write files and folders so that they are complete or absent, whatever dies or runs beside.

A temporary folder belongs to one process, which holds a lock on it. The system releases the
lock when the process ends, however it ends, so what a dead process left is told from what a
live one uses, in other containers too, where its process number would mean nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a folder that exists; the system takes it back when the process ends.

    Raises BlockingIOError where another process holds it, unless it is to be waited for.
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(opened)


@contextlib.contextmanager
def private_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a temporary folder in an existing folder, and remove it at the end.

    Those that dead processes left there, told by the prefix, are removed first.
    """
    remove_abandoned(parent, prefix)
    with contextlib.ExitStack() as stack:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                stack.enter_context(locked(folder, wait=True))
                # another process may have taken it for abandoned before it was locked
                if folder.exists():
                    break
        yield folder


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the temporary folders that dead processes left in a folder."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), locked(folder):
            shutil.rmtree(folder)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished file its name, in the place of one that has it.

    File and folder reach the disk, so that a power cut leaves the one file or the other.
    """
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, written to the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        # some file systems have nothing to write for a folder
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(opened)
