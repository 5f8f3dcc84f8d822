"""What the processes that write run folders load, once for all of them."""

from __future__ import annotations

import atexit
import os
import sys
from multiprocessing import forkserver

from scripts import plots, report

__all__ = ["plots", "report"]

# The process that they are forked from ends last, and holds the output of the command open: to
# take its libraries apart would keep whoever reads that waiting for a fifth of a second. It alone:
# any other that imports this keeps its exit code.
if vars(sys.modules["__main__"]).get("main") is forkserver.main:
    atexit.register(os._exit, 0)
