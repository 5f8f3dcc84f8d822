"""What dbt parsed is kept for later runs, and is used only where it is right."""

from __future__ import annotations

import inspect
import json
import marshal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts import dbt_process, manifest
from scripts.project import ROOT, default_vars
from tests.conftest import Project, read_metrics
from tests.test_inputs import prices
from tests.test_run import SMALL, write_legs

# a var that decides about the graph, with a value of it that is another graph
SHAPES = {"perp": "", "sweep": "none.csv", "timeframe": "1h,4h", "build_published": True}


@pytest.fixture(scope="module")
def parsed(project: Project) -> Callable[..., dict[str, Any]]:
    """Parse the project with vars, in this process; return the graph that dbt makes of it."""
    from dbt.cli.main import dbtRunner

    def parse(**dbt_vars: object) -> dict[str, Any]:
        arguments = ["parse", "--quiet", "--no-partial-parse", "--no-send-anonymous-usage-stats"]
        folders = ["--project-dir", str(project.root), "--profiles-dir", str(project.root)]
        folders += ["--target-path", str(project.root / "target" / "test_manifest")]
        done = dbtRunner().invoke([*arguments, *folders, "--vars", json.dumps(dbt_vars)])
        assert done.success, done.exception
        graph = done.result.to_dict()
        # when, where and for which vars it was parsed
        for name in ("metadata", "files", "state_check"):
            del graph[name]
        return without(graph, "created_at")

    return parse


def without(value: Any, name: str) -> Any:
    """Return what a graph is made of, without a name wherever it stands."""
    if isinstance(value, dict):
        return {key: without(part, name) for key, part in value.items() if key != name}
    return [without(part, name) for part in value] if isinstance(value, list) else value


def test_vars_that_are_no_shape_leave_the_graph_alone(parsed: Callable) -> None:
    """Each var of the project has another value than by default."""
    others: dict[str, object] = {
        name: f"other/{name}*.parquet" for name in ("spot", "perp", "funding")
    } | {
        "symbol": "ETHUSDT",
        "as_of": "2026-02-19T15:00:00Z",
        "timeframe": "4h",
        "strategy": "naive",
        "windows_of_several_timeframes": {"beta_window": "20d", "vol_window": "10d"},
    }
    for name, value in default_vars().items():
        if name not in others and name not in SHAPES:
            others[name] = value + 1 if isinstance(value, int) else 0.25
    assert others.keys() | SHAPES.keys() == default_vars().keys() | {"build_published"}
    assert manifest.shape(others) == manifest.shape({})
    assert parsed(**others) == parsed()


@pytest.mark.parametrize("name", SHAPES)
def test_vars_that_are_a_shape_have_a_manifest_of_their_own(name: str) -> None:
    given = {name: SHAPES[name]}
    assert manifest.shape(given) != manifest.shape({})
    assert manifest.key(given) != manifest.key({})
    assert manifest.place(given) != manifest.place({})


@pytest.mark.parametrize("given", ["1h", " 1h, 1h", ["1h"], "4h"])
def test_a_timeframe_is_one_however_it_is_written(given: object) -> None:
    assert manifest.key({"timeframe": given}) == manifest.key({})


def test_what_is_used_of_dbt_is_there() -> None:
    """Without one of these, a run still gives the same, but is slower."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.exceptions import DbtUsageException
    from dbt.cli.main import dbtRunner
    from dbt.compilation import Compiler
    from dbt.constants import PARTIAL_PARSE_FILE_NAME
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt_common.clients.jinja import MacroFuzzEnvironment
    from dbt_common.dataclass_schema import dbtClassMixin
    from dbt_common.events.base_types import BaseEvent
    from dbt_common.events.event_manager import EventManager

    def parameters(function: Callable) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(dbtRunner)[0] == "manifest"
    assert parameters(EventManager.fire_event) == [
        "self",
        "e",
        "level",
        "node",
        "force_warn_or_error_handling",
    ]
    assert callable(BaseEvent.level_tag)
    assert "decoder" in parameters(Manifest.from_msgpack)
    assert callable(extended_mashumuro_decoder)
    assert parameters(Manifest.build_flat_graph) == ["self"]
    assert parameters(Manifest.write) == ["self", "path"]
    assert parameters(Compiler.write_graph_file) == ["self", "linker", "manifest"]
    assert "env_vars" in parameters(Manifest)
    assert parameters(DuckDBConnectionManager.close_all_connections) == []
    assert issubclass(DbtUsageException, Exception)
    assert parameters(MacroFuzzEnvironment.compile)[:2] == ["self", "source"]
    assert parameters(dbtClassMixin.validate) == ["data"]
    assert PARTIAL_PARSE_FILE_NAME == "partial_parse.msgpack"


def test_a_damaged_or_foreign_file_is_not_read(tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "kept" / "graph.msgpack"
    made.write_bytes(b"a graph")
    digest = manifest.key({})
    assert manifest.read(path, digest) is None
    manifest.keep(made, path, digest)
    assert manifest.read(path, digest) == b"a graph"
    assert list(path.parent.iterdir()) == [path]
    whole = path.read_bytes()
    assert manifest.read(path, manifest.key({"perp": ""})) is None
    for content in (
        b"",
        b"a graph",
        whole[:-1],
        whole + b"!",
        whole[: len(whole) // 2],
        whole[:-1] + b"!",
        b"!" + whole[1:],
        bytes(len(whole)),
    ):
        path.write_bytes(content)
        assert manifest.read(path, digest) is None, content
    # without room, a permission or a file, nothing is kept and nothing is said
    manifest.keep(made, made / "no folder" / path.name, digest)
    manifest.keep(tmp_path / "none", path, digest)


def test_templates_that_are_damaged_are_compiled_anew(tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "graph.templates"
    code = compile("1 + 1", "<template>", "eval")
    made.write_bytes(marshal.dumps({b"digest": code}))
    manifest.keep(made, path, "key")
    assert dbt_process.load_templates(path, "key") == {b"digest": code}
    assert dbt_process.load_templates(path, "another key") == {}
    path.write_bytes(path.read_bytes()[:-1])
    assert dbt_process.load_templates(path, "key") == {}
    made.write_bytes(b"not marshalled")
    manifest.keep(made, path, "key")
    assert dbt_process.load_templates(path, "key") == {}


def test_each_kind_of_environment_compiles_a_text_once() -> None:
    """In a process of its own: what is changed about dbt stays changed."""
    code = """
from dbt_common.clients import jinja
from scripts import dbt_process
known = {}
dbt_process.remember_templates(known)
for native in (False, True, False):
    template = jinja.get_template("{{ 1 + one }}", {"one": 1}, native=native)
    print(type(jinja.render_template(template, {})).__name__, len(known))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["str", "1", "int", "2", "str", "2"]


def test_a_file_of_the_project_is_part_of_the_key(project: Project) -> None:
    """In a process of the copied project: the key is that of the files beside the script."""

    def key() -> str:
        code = "from scripts import manifest; print(manifest.key({}))"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=project.root, capture_output=True, check=True
        ).stdout.decode()

    first = key()
    assert key() == first
    for name in (
        "models/marts/hedge_metrics.sql",
        "models/marts/hedge_metrics.yml",
        "models/_rules.md",
        "macros/build.sql",
        "data/seeds/hedge_strategies.csv",
        "tests/generic/sound.sql",
        "analyses/new.sql",
        "snapshots/new.yml",
        "dbt_project.yml",
        "profiles.yml",
        "packages.yml",
        ".dbtignore",
    ):
        path = project.root / name
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((before or b"") + b"\n# edited\n")
        assert key() != first, name
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
    assert key() == first


@pytest.fixture(scope="module")
def kept(
    new_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, list[object]]:
    """A project that was run once, and the flags of its files."""
    project = new_project()
    flags = [*write_legs(project.root / "files"), *SMALL, "--out", project.root / "out"]
    project.run_folders(*flags)
    return project, flags


def states(project: Project) -> dict[str, tuple[int, int]]:
    """Return which manifests a project keeps, and when each was written."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (project.root / "target" / "parsed").iterdir()
    }


def test_a_later_run_does_not_parse_whatever_its_vars(kept: tuple[Project, list[object]]) -> None:
    project, flags = kept
    (path,) = (project.root / "target" / "parsed").glob("*.msgpack")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000] + bytes(1000))
    project.run_folders(*flags, "--slippage_bps", 1)
    # it was damaged, so dbt parsed anew
    assert path.read_bytes() not in (whole[:-1000] + bytes(1000), b"")
    before = states(project)
    assert {Path(name).suffix for name in before} == {".msgpack", ".templates"}
    (folder,) = project.run_folders(*flags, "--fees_bps", 7, "--timeframe", "2h")
    assert states(project) == before
    told = json.loads((folder / "metadata.json").read_text())
    assert (told["dbt_vars"]["fees_bps"], told["timeframe"]) == (7, "2h")
    metrics = read_metrics(folder)
    for strategy, figures in metrics["strategies"].items():
        assert figures["fees"] == pytest.approx(-7e-4 * figures["turnover"]), strategy


def test_an_edit_is_seen(kept: tuple[Project, list[object]]) -> None:
    project, flags = kept
    model = project.root / "models" / "hedge" / "trial.sql"
    seed = project.root / "data" / "seeds" / "hedge_strategies.csv"
    model.write_text("select 1 as one")
    project.run_folders(*flags)
    assert list(project.query("select one from trial").one) == [1]
    model.write_text("select 2 as one")
    before = seed.read_text()
    header, *rows = before.splitlines()
    seed.write_text("\n".join([header, *rows, rows[0].replace("unhedged", "idle", 1)]) + "\n")
    (folder,) = project.run_folders(*flags)
    assert list(project.query("select one from trial").one) == [2]
    assert "idle" in read_metrics(folder)["strategies"]
    seed.write_text(before)
    model.unlink()


def test_what_vars_change_about_the_graph_is_found_out(kept: tuple[Project, list[object]]) -> None:
    """A model that somebody adds refers to another for some vars alone."""
    project, flags = kept
    model = project.root / "models" / "hedge" / "trial.sql"
    model.write_text(
        "select {% if var('fees_bps') == 3 %} (select count(*) from {{ ref('int_samples') }})"
        " {% else %} 0 {% endif %} as one"
    )
    for fee, found in ((2, 0), (3, 1)):
        project.run_folders(*flags, "--fees_bps", fee)
        assert list(project.query("select one from trial").one) == [found]
    model.unlink()


def test_a_failed_build_keeps_nothing(new_project: Callable[[], Project], tmp_path: Path) -> None:
    project = new_project()
    spot, perp = prices()
    spot[100:103] = np.nan
    flags = write_legs(tmp_path, {"spot": spot, "perp": perp})
    assert project.run(*flags, *SMALL, "--out", tmp_path / "bad").returncode == 1
    assert not (project.root / "target" / "parsed").exists()


def test_runs_at_once_do_not_disturb_each_other(
    new_project: Callable[[], Project], tmp_path: Path
) -> None:
    project = new_project()
    flags = [*map(str, [*write_legs(tmp_path), *SMALL]), "--fees_bps"]
    commands = [
        subprocess.Popen(
            project.command("scripts.run", *flags, str(fee), "--out", str(tmp_path / str(fee))),
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for fee in (1, 2)
    ]
    for command in commands:
        folder, stderr = command.communicate(timeout=300)
        assert command.returncode == 0, stderr
        assert (Path(folder.strip()) / "metrics.json").exists()
    paths = list((project.root / "target" / "parsed").iterdir())
    assert len(paths) == 2
    assert all(path.read_bytes().startswith(manifest.HEADER) for path in paths)
