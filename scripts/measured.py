"""Run a command as a process of its own, and say what it took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.command_line import one_line
from scripts.project import BuildError

# A small process, since a child's peak begins with what its parent holds. On Linux it adopts
# processes that outlive their parent (PR_SET_CHILD_SUBREAPER, 36), such as the server that forks
# the workers of a run: the system counts the CPU time of a process only once it is waited for.
MEASURED = """
import contextlib, ctypes, json, os, resource, subprocess, sys, time
with contextlib.suppress(AttributeError):
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
wall = time.perf_counter() - start
with contextlib.suppress(ChildProcessError):
    while True:
        os.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps(
    [wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, done.stdout]
))
sys.exit(done.returncode)
"""
# as a user runs it
BARE_DBT = "from dbt.cli.main import cli; cli()"


class Measured(NamedTuple):
    """Seconds, CPU seconds of all its processes, megabytes of the largest one, and output."""

    wall: float
    cpu: float
    megabytes: float
    output: str


def measured(command: Sequence[str], cwd: Path, name: str = "") -> Measured:
    """Run a command in a folder; return what it took.

    Raises BuildError, with the name of the command, where it fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], cwd=cwd, capture_output=True, text=True
    )
    if not done.stdout:
        # an executable that is not there
        raise BuildError(one_line(f"{name or command[0]} failed: {done.stderr[-2000:]}"))
    found = Measured(*json.loads(done.stdout))
    if done.returncode:
        if not name:
            # after -m comes a module's name; after -c the whole code, and what it is to do
            name = command[command.index("-c") + 2 if "-c" in command else command.index("-m") + 1]
        raise BuildError(one_line(f"{name} failed: {found.output[-2000:]}"))
    return found
