"""Run dbt as a process of its own that starts, works and ends as fast as it can.

usage: see command(), which gives the command line.

It skips what only a process that lives on needs: without the garbage collector it takes a tenth
less time, and 60 MB more; without taking its objects apart at the end, almost a second less;
without writing down in JSON what it parsed, where no page of docs is made of it, a third of a
second less; without making messages of events for debugging, which its log leaves out, a second
less; with a kept manifest, three seconds less; with the code that Jinja made of the macros for an
earlier run, a second less.

What it uses of dbt beyond dbtRunner is held by tests/test_manifest.py. Where a release of dbt has
moved one of these, dbt does it in its own, slower way.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import marshal
import os
import sys
import threading
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, NoReturn

from scripts import manifest
from scripts.project import ROOT

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

# the modules are those of the project, not of the folder that dbt runs in
START = "import sys; sys.path[0] = {root!r}; from scripts.dbt_process import main; main{given!r}"
# beside what dbt itself writes of its parsing
TEMPLATES = "templates.marshal"
QUIET = ("debug", "test")
# exit codes beyond dbt's own 0, 1 and 2
IN_DOUBT = 75


def command(
    arguments: list[str],
    kept: Path | None = None,
    digest: str = "",
    *,
    ends_with_stdin: bool = False,
) -> list[str]:
    """Return the command line that runs dbt with arguments.

    It uses the manifest that is kept at a path where that has the key, and exits with IN_DOUBT
    where the manifest may be why dbt failed. A process that ends with its stdin ends when its
    parent does, however that is.
    """
    given = str(kept or ""), digest, ends_with_stdin
    return [sys.executable, "-c", START.format(root=str(ROOT), given=given), *arguments]


def end_with_stdin() -> None:
    """End this process when its stdin does: a run that is killed takes it along."""

    def wait_for_end() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def leave_out_debugging() -> None:
    """Have dbt make no messages of events that its log leaves out."""
    from dbt_common.events.base_types import BaseEvent, EventLevel
    from dbt_common.events.event_manager import EventManager

    fire = EventManager.fire_event

    def fire_event(
        manager: EventManager,
        event: BaseEvent,
        level: EventLevel | None = None,
        node: object = None,
        force_warn_or_error_handling: bool = False,
    ) -> None:
        if (level or event.level_tag()) not in QUIET:
            fire(manager, event, level, node, force_warn_or_error_handling)

    EventManager.fire_event = fire_event  # type: ignore[method-assign,assignment]


def write_no_graph() -> None:
    """Have dbt write no manifest.json and no graph; the manifest that is kept is another file."""
    from dbt.compilation import Compiler
    from dbt.contracts.graph.manifest import Manifest

    Manifest.write = lambda *_: None  # type: ignore[method-assign]
    Compiler.write_graph_file = lambda *_: None  # type: ignore[method-assign]


def remember_templates(known: dict[bytes, CodeType]) -> None:
    """Have Jinja compile each text once, those that are known not at all; it adds to them."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    compile_text = MacroFuzzEnvironment.compile

    def compile_once(
        environment: MacroFuzzEnvironment, source: object, *names: object, **options: object
    ) -> object:
        if not isinstance(source, str) or any(names) or any(options.values()):
            return compile_text(environment, source, *names, **options)  # type: ignore[call-overload]
        # each kind of environment makes code of its own
        name = f"{type(environment).__qualname__}\0{source}"
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        if digest not in known:
            known[digest] = compile_text(environment, source)
        return known[digest]

    MacroFuzzEnvironment.compile = compile_once  # type: ignore[method-assign,assignment]


def trust_project_files() -> None:
    """Have dbt not compare dbt_project.yml and profiles.yml with its schemas again.

    It did when it parsed these very files, and takes a third of a second to make the schemas.
    """
    from dbt_common.dataclass_schema import dbtClassMixin

    dbtClassMixin.validate = classmethod(lambda *_: None)  # type: ignore[method-assign,assignment]


def load_templates(path: Path, digest: str) -> dict[bytes, CodeType]:
    """Return Jinja's code of an earlier run's texts, by digest; none where there is any doubt."""
    try:
        found: dict[bytes, CodeType] = marshal.loads(manifest.read(path, digest) or b"")
    except (EOFError, ValueError, TypeError):
        return {}
    return found


def load(path: Path, digest: str) -> Manifest | None:
    """Return a kept manifest as dbt's own object; None where it has to parse."""
    if (body := manifest.read(path, digest)) is None:
        return None
    try:
        from dbt.contracts.graph.manifest import Manifest
        from dbt.parser.manifest import extended_mashumuro_decoder

        found: Manifest = Manifest.from_msgpack(body, decoder=extended_mashumuro_decoder)
        if found.env_vars:
            # read when it was parsed, and not part of the key
            return None
        # hooks look nodes up in it
        found.build_flat_graph()  # type: ignore[no-untyped-call]
    except Exception:
        # whatever is wrong with it: parsing is always right
        return None
    return found


def is_in_doubt(done: dbtRunnerResult) -> bool:
    """Whether a node could not be compiled: perhaps for what is in the manifest alone."""
    told = [str(done.exception or "")]
    told += [str(result.message) for result in getattr(done.result, "results", None) or []]
    return any("Compilation Error" in message for message in told)


def close_connections() -> None:
    """Close the database, so that its file is whole."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def main(kept: str = "", digest: str = "", ends_with_stdin: bool = False) -> NoReturn:
    """Run dbt with the arguments of the command line, and end with its exit code."""
    gc.disable()
    arguments = sys.argv[1:]
    if ends_with_stdin:
        end_with_stdin()
    from dbt.cli.exceptions import DbtUsageException
    from dbt.cli.main import dbtRunner

    with contextlib.suppress(ImportError, AttributeError):
        leave_out_debugging()
    if "build" in arguments[:1]:
        with contextlib.suppress(ImportError, AttributeError):
            write_no_graph()
    loaded = load(Path(kept), digest) if kept else None
    templates = load_templates(Path(kept).with_suffix(".templates"), digest) if loaded else {}
    with contextlib.suppress(ImportError, AttributeError):
        remember_templates(templates)
    if loaded:
        with contextlib.suppress(ImportError, AttributeError):
            trust_project_files()
    done = dbtRunner(loaded).invoke(arguments)
    code = 0 if done.success else 2 if done.exception else 1
    if isinstance(done.exception, DbtUsageException):
        # dbt logs any other
        sys.stdout.write(f"{done.exception}\n")
    if loaded and code and is_in_doubt(done):
        code = IN_DOUBT
    with contextlib.suppress(ImportError, AttributeError):
        close_connections()
    if not loaded and not code and "--target-path" in arguments:
        target = Path(arguments[arguments.index("--target-path") + 1])
        with contextlib.suppress(OSError):
            (target / TEMPLATES).write_bytes(marshal.dumps(templates))
    sys.stdout.flush()
    os._exit(code)
