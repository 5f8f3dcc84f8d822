"""CONTRIBUTING.md is tried: its recipes and commands, in a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, Project, read_metrics
from tests.test_readme import BIN, shell

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = ("estimator", "metric", "exchange")
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
]
# what runs this test, takes as long as all tests, or changes the environment
ONE_FILE = "tests/test_sample_data.py"
NOT_RUN = {
    "make test",
    "make lint",
    "pre-commit install",
    "source .venv/bin/activate",
    f"python -m pytest -n 0 {ONE_FILE}",
}
# Bybit's, the newest first
CANDLES = [[str(1735689600000 + k * 300_000), *["1.5"] * 4, "2", "3"] for k in range(6)][::-1]


def recipe(name: str) -> Path:
    """Return the diff that a section works through."""
    return ROOT / "tests" / "recipes" / f"{name}.diff"


@pytest.fixture(scope="module")
def changed(sample_project: tuple[Project, Path], new_project: Callable[[], Project]) -> Project:
    """A project in which every recipe was followed."""
    project = new_project()
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, project.root)
    shutil.copytree(ROOT / "tests", project.root / "tests", dirs_exist_ok=True)
    shutil.copytree(sample_project[0].root / "data" / "raw", project.root / "data" / "raw")
    for name in RECIPES:
        subprocess.run(["git", "apply", recipe(name)], cwd=project.root, check=True)
    with (project.root / "data" / "seeds" / "hedge_strategies.csv").open("a") as seed:
        seed.write(re.search(r"```csv\n(.*?)```", TEXT, flags=re.DOTALL)[1])
        seed.write("median,median,false,,,,,,,,\n")
    (project.root / "list.json").write_text(json.dumps(CANDLES))
    return project


@pytest.fixture(scope="module")
def answers(changed: Project) -> dict[str, str]:
    """What each command prints, in their order."""
    found = {}
    for command in COMMANDS:
        if command not in NOT_RUN:
            done = shell(changed, command)
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            found[command] = done.stdout
    return found


@pytest.fixture(scope="module")
def folder(answers: dict[str, str]) -> Path:
    """The run folder of the new strategy."""
    return Path(answers["python -m scripts.run --strategy slow"].strip())


def test_commands_that_are_not_run_are_there() -> None:
    assert set(COMMANDS) >= NOT_RUN
    for target in ("test", "lint"):
        done = subprocess.run(
            ["make", "--dry-run", target, f"VENV={BIN.parent}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert {"test": "-m pytest", "lint": "pre-commit run"}[target] in done.stdout
    assert (BIN / "pre-commit").exists()
    assert (ROOT / ONE_FILE).exists()


@pytest.mark.parametrize("name", RECIPES)
def test_a_section_names_the_files_that_its_recipe_changes(name: str) -> None:
    (section,) = [part for part in TEXT.split("\n## ") if f"tests/recipes/{name}.diff" in part]
    steps = re.findall(r"^\d\. (.*?):", section, flags=re.MULTILINE)
    named = [path for step in steps for path in re.findall(r"`(.*?)`", step)]
    changed = re.findall(r"^\+\+\+ b/(.*)", recipe(name).read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(changed)


def test_a_row_of_the_seed_is_a_strategy(folder: Path) -> None:
    metrics = read_metrics(folder)
    assert metrics["selected_strategy"] == "slow"
    assert list(metrics["strategies"])[-2:] == ["slow", "median"]
    betas = pd.read_csv(folder / "beta_series.csv").query("strategy == 'slow'")
    assert (betas["status"] == "warmup").sum() == 60 * 24
    assert metrics["strategies"]["slow"]["hedge_ratio_std"] > 0


def test_the_estimator_is_what_it_says(folder: Path) -> None:
    prices = pd.read_csv(folder / "prices_merged.csv")
    betas = pd.read_csv(folder / "beta_series.csv").query("strategy == 'median'")
    returns = prices[["r_spot", "r_fut"]].where(~prices["is_gap"].astype("boolean").fillna(True))
    ratios = (returns["r_spot"] / returns["r_fut"]).iloc[1:]
    medians = (
        ratios.rolling(720, min_periods=648).median().shift(1).where(np.arange(len(ratios)) >= 720)
    )
    assert medians.notna().sum() > 5_000
    np.testing.assert_allclose(betas["beta"], medians, atol=1e-12)


def test_the_metric_is_what_it_says(folder: Path) -> None:
    rows = pd.read_csv(folder / "returns_decomposed.csv")
    for name, figures in read_metrics(folder)["strategies"].items():
        net = rows.loc[rows["strategy"] == name, "r_net"]
        losses = np.sqrt((net.clip(upper=0) ** 2).mean())
        assert figures["sortino"] == pytest.approx(net.mean() / losses * 8760**0.5), name


def test_the_exchange_is_imported(changed: Project, answers: dict[str, str]) -> None:
    (command,) = [command for command in answers if "import_data" in command]
    path = Path(answers[command].strip())
    assert path == changed.root / "data" / "raw" / "imported_perp_BTCUSDT_5m.parquet"
    assert pd.read_parquet(path)["close"].tolist() == [1.5] * 6
