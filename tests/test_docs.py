"""Everything is described, once where it is a rule, and shown on a page."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import ROOT, Project

PACKAGE = "spot_perp_hedge"
# models and tests that only some builds have
ALL_MODELS = {"build_published": True, "sweep": "sweep.csv", "timeframe": "1h 4h"}


@pytest.fixture(scope="module")
def page(sample_project: tuple[Project, Path]) -> Path:
    """The page that make docs writes."""
    done = sample_project[0].run(module="scripts.docs")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Path(done.stdout.removesuffix("\n"))


@pytest.fixture(scope="module")
def manifest(page: Path) -> dict[str, Any]:
    """What dbt knows of the sample's build."""
    return json.loads((page.parent / "manifest.json").read_text())


@pytest.fixture(scope="module")
def all_nodes(sample_project: tuple[Project, Path]) -> dict[str, Any]:
    """Every model, seed and test, also those that the sample's build does not have."""
    project, _ = sample_project
    done = project.dbt("parse", "--target-path", "target/all", "--vars", json.dumps(ALL_MODELS))
    assert done.returncode == 0, done.stdout
    manifest = json.loads((project.root / "target" / "all" / "manifest.json").read_text())
    assert not manifest["disabled"]
    return {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] != "operation"
    }


def test_every_model_seed_test_and_analysis_is_described(
    all_nodes: dict[str, Any], manifest: dict[str, Any]
) -> None:
    assert {node["resource_type"] for node in all_nodes.values()} == {
        "model",
        "seed",
        "test",
        "analysis",
    }
    silent = {name for name, node in all_nodes.items() if not node["description"].strip()}
    # dbt warns of a description without its test: these say it in their SQL
    of_some_builds = {
        name
        for name in silent & manifest["disabled"].keys()
        if all_nodes[name]["raw_code"].startswith("-- ")
    }
    assert silent == of_some_builds
    assert {name.split(".")[2] for name in of_some_builds} == {
        "sweep_parameters_make_sense",
        "sweep_is_scored",
        "timeframes_share_one_span",
    }


def test_every_column_is_described(
    page: Path, manifest: dict[str, Any], all_nodes: dict[str, Any]
) -> None:
    catalog = {
        name: table
        for name, table in json.loads((page.parent / "catalog.json").read_text())["nodes"].items()
        if manifest["nodes"][name]["resource_type"] != "test"
    }
    assert catalog.keys() == {
        name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed")
        and node["config"]["materialized"] not in ("ephemeral", "table_function")
    }
    for name, table in catalog.items():
        assert table["columns"].keys() == manifest["nodes"][name]["columns"].keys(), name
    for name, node in all_nodes.items():
        if node["resource_type"] in ("model", "seed"):
            assert node["columns"], name
            for column in node["columns"].values():
                assert column["description"].strip(), f"{name}: {column['name']}"


def test_every_macro_and_argument_is_described(manifest: dict[str, Any]) -> None:
    macros = {
        macro["name"]: macro
        for macro in manifest["macros"].values()
        if macro["package_name"] == PACKAGE
    }
    written = {
        name
        for path in (ROOT / "macros").rglob("*.sql")
        for name in re.findall(r"{%-? macro (\w+)\(", path.read_text())
    }
    assert macros.keys() == written | {
        "test_sound",
        "materialization_table_duckdb",
        "materialization_table_function_duckdb",
    }
    for name, macro in macros.items():
        assert macro["description"].strip(), name
        # dbt lists the arguments that a macro has, whether yml describes them or not
        for argument in macro["arguments"]:
            assert argument["description"].strip(), f"{name}: {argument['name']}"
    assert len(macros["coins_after_order"]["arguments"]) == 7


@pytest.mark.parametrize(
    ("exposure", "script"), [("run_folder", "export"), ("run_plots", "plots"), ("report", "report")]
)
def test_exposures_depend_on_what_their_script_reads(
    manifest: dict[str, Any], exposure: str, script: str
) -> None:
    text = (ROOT / "scripts" / f"{script}.py").read_text()
    tables = {name.split(".")[2]: name for name in manifest["nodes"] if "test." not in name}
    read = {tables[name] for name in re.findall(r"(?:from|join) (\w+)", text) if name in tables}
    read |= {tables[name] for name in re.findall(r'\("(\w+)", ', text) if name in tables}
    assert len(read) > 5
    depends = manifest["exposures"][f"exposure.{PACKAGE}.{exposure}"]["depends_on"]["nodes"]
    assert read <= set(depends)


def test_every_exposure_is_described(manifest: dict[str, Any]) -> None:
    exposures = manifest["exposures"].values()
    assert {exposure["name"] for exposure in exposures} == {
        "run_folder",
        "order_log",
        "run_plots",
        "report",
        "notebook",
    }
    assert all(exposure["description"].strip() for exposure in exposures)


def section(text: str, head: str) -> str:
    """Return what a page says below a head."""
    return re.search(rf"\n## {head}\n\n(.*?)(?=\n## |\Z)", text, flags=re.DOTALL)[1]


def test_rules_are_the_same_everywhere_and_govern_a_mart(manifest: dict[str, Any]) -> None:
    rules = {
        name: " ".join(block["block_contents"].split())
        for name, block in manifest["docs"].items()
        if f"{PACKAGE}.rule_" in name
    }
    overview = manifest["docs"][f"doc.{PACKAGE}.__overview__"]["block_contents"]
    readme = (ROOT / "README.md").read_text()
    for page in (readme, overview):
        said = section(page, "The rules that matter").replace("**", "")
        said = [" ".join(rule.split()) for rule in re.split(r"^- ", said, flags=re.MULTILINE)[1:]]
        assert said == [*rules.values()]
    assert (
        section(readme, "How the data flow").split("```")[1]
        == (section(overview, "How the data flow").split("```")[1])
    )
    governed = {
        name
        for node in manifest["nodes"].values()
        if "/marts/" in node["original_file_path"]
        for name in node.get("doc_blocks", [])
    }
    assert rules.keys() <= governed


def test_incident_kinds_are_the_seeds_everywhere(manifest: dict[str, Any]) -> None:
    with (ROOT / "data" / "seeds" / "incident_kinds.csv").open(newline="") as file:
        kinds = {row["kind"]: row for row in csv.DictReader(file)}
    described = manifest["docs"][f"doc.{PACKAGE}.incident_kind"]["block_contents"]
    assert sorted(re.findall(r"`(\w+)`", described)) == sorted(kinds)
    readme = (ROOT / "README.md").read_text()
    table = section(readme, "What is wrong with the data").split("| severity |\n")[1]
    severities = {}
    for _, text, severity in re.findall(r"^\|(.*?)\| (.*) \| (.*) \|$", table, re.MULTILINE):
        severities |= {kind: severity for kind in re.findall(r"`(\w+)`", text)}
    assert severities.keys() == kinds.keys()
    for kind, severity in severities.items():
        assert kinds[kind]["severity"] in severity.split(", "), kind
    models = "".join(path.read_text() for path in (ROOT / "models" / "incidents").glob("*.sql"))
    assert {kind for kind in kinds if f"'{kind}'" not in models} == set()


def test_links_of_the_overview_lead_somewhere(manifest: dict[str, Any]) -> None:
    overview = manifest["docs"][f"doc.{PACKAGE}.__overview__"]["block_contents"]
    links = re.findall(r"\(#!/\w+/([\w.]+)\)", overview)
    assert len(links) == 10
    assert set(links) <= manifest["nodes"].keys() | manifest["exposures"].keys()


def test_the_page_is_whole_and_asks_for_nothing(page: Path, manifest: dict[str, Any]) -> None:
    text = page.read_text()
    assert not (page.parent / "static_index.html").exists()
    assert "MANIFEST.JSON INLINE DATA" not in text
    assert "r_net" in text
    # where the page names a file, in its own markup and templates
    asked = re.findall(r'(?:\ssrc|[\s:]href)=\\?"([^"\'{]+)"', text.split("<body")[0])
    assert {name for name in asked if not name.startswith("#")} == {"/overview/", "data:,"}
    assert 'xlink:href="{{' not in text
    assert "ng-attr-href" in text
    # with dbt's statistics on, the page would load a script that counts its readers
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False


def test_without_a_build_or_its_files_it_says_so(
    project: Project, sample_project: tuple[Project, Path]
) -> None:
    project.database.unlink(missing_ok=True)
    without_build = project.run(module="scripts.docs")
    assert "does not exist: build it" in without_build.stderr
    shutil.copy(sample_project[0].database, project.database)
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("update int_input_files set source_file = 'my/gone.parquet'")
    without_files = project.run(module="scripts.docs")
    assert "my/gone.parquet, which the last build read, is gone" in without_files.stderr
    project.database.unlink()
    for done in (without_build, without_files):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
