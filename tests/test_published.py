"""The published result: its figures, the walk from them, and the page that tells of it.

The oracle below is written with numpy from the notebook's rules, without a look at the models.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from scripts.published import SAME_FIGURE, walk_markdown
from tests.conftest import MARKET_DATA, ROOT, Project, needs_market_data

TOLERANCE = 1e-9
BIN = Path(sys.executable).parent
PAGE = ROOT / "docs" / "published.md"
MODELS = {path.stem for path in (ROOT / "models" / "replication").glob("*.sql")}
GOLDEN = {
    "correlation": 0.9996899972362333,
    "variance_reduction_static": 0.999380,
    "variance_reduction_rolling": 0.999391,
    "variance_reduction": 0.9241574551331468,
    "sharpe_spot": 1.1786430305832287,
    "sharpe": 1.2416388103758633,
    "max_drawdown_spot": -0.3231069072207686,
    "max_drawdown": -0.08065942584087182,
    "turnover": 56.084537428910366,
}
# every node of a parse without a warning, by default and for make published
LIST_MODELS = """
import json
from dbt.cli.main import dbtRunner

def nodes(*vars):
    done = dbtRunner().invoke(["--warn-error", "parse", "--no-partial-parse", "--quiet", *vars])
    if not done.success:
        raise SystemExit(str(done.exception))
    return sorted(done.result.nodes)

print(json.dumps([nodes(), nodes("--vars", "{build_published: true}")]))
"""
# published with six decimals
ROUNDED = {"variance_reduction_static", "variance_reduction_rolling"}


class Oracle:
    """Net returns of a hedge of the notebook's sample, by rules that are arguments."""

    def __init__(self) -> None:
        spot, perp, prints = (
            self.series(*leg)
            for leg in (
                ("spot_BTCUSDT_1h", "close"),
                ("perp_BTCUSDT_1h", "close"),
                ("funding_BTCUSDT", "fundingRate"),
            )
        )
        growth = pd.DataFrame({"spot": spot / spot.shift(), "perp": perp / perp.shift()}).dropna()
        self.returns = {"log": np.log(growth).T.values, "simple": (growth - 1).T.values}
        self.funding = prints.reindex(growth.index, method="ffill").values / 8
        self.rows_until_last_print = int((growth.index <= prints.index[-1]).sum())

    @staticmethod
    def series(name: str, column: str) -> pd.Series:
        """Return a column of a file by time."""
        path = MARKET_DATA / "reference" / f"{name}.parquet"
        with duckdb.connect() as connection:
            frame = connection.execute(
                f"select timestamp at time zone 'UTC' as ts, {column} from '{path}' order by 1"
            ).fetchdf()
        return frame.set_index("ts")[column]

    def beta(self, rows: int, kind: str) -> np.ndarray:
        """Return the slope over so many rows up to each; NaN before there are as many."""
        spot, perp = self.returns[kind]
        betas = np.full(len(spot), np.nan)
        for end in range(rows, len(spot) + 1):
            x, y = perp[end - rows : end], spot[end - rows : end]
            betas[end - 1] = np.polyfit(x, y, 1)[0]
        return betas

    def volatility(self, kind: str) -> np.ndarray:
        """Return the hourly volatility over the 30 rows up to each."""
        return pd.Series(self.returns[kind][0]).rolling(30).std().values

    def net(self, ratio: np.ndarray, kind: str, costs: str, is_funded: bool = True) -> np.ndarray:
        """Return the net return of each of the last rows, as many as there are ratios."""
        spot, perp = self.returns[kind][:, -len(ratio) :]
        cost = np.zeros(len(ratio))
        if costs == "published":
            cost[1:] = 0.0006 * np.abs(np.diff(ratio))
            cost[[0, -1]] += 0.0002
        elif costs == "own":
            drifted = ratio[:-1] * (1 + perp[:-1]) / (1 + spot[:-1])
            cost = 0.0001 * np.abs(np.append(ratio[0], ratio[1:] - drifted))
        funding = ratio * self.funding[-len(ratio) :] if is_funded else 0
        return spot - ratio * perp + funding - cost

    def reduction(self, net: np.ndarray, kind: str = "log", spot_rows: int = 0) -> float:
        """Return the variance reduction, against spot's last rows: all, or as many as given."""
        spot = self.returns[kind][0]
        return 1 - net.var(ddof=1) / spot[-(spot_rows or len(spot)) :].var(ddof=1)

    def walk(self) -> dict[str, float]:
        """Return the variance reduction of each step."""
        spot, perp = self.returns["log"]
        rows = len(spot)
        split = int(0.6 * rows)
        static = np.full(rows, np.polyfit(perp[:split], spot[:split], 1)[0])
        rolling, vol = self.beta(200, "log"), self.volatility("log")
        rolling[:200] = np.nan
        unhedged = np.nan_to_num(rolling)
        target = 0.5 / np.sqrt(252 * 24)
        scaled = unhedged * np.append(np.zeros(29), np.minimum(1, target / (vol[29:] + 1e-8)))
        scaled = np.clip(scaled, -3, 3)
        paid = self.net(scaled, "log", "published")
        until = slice(self.rows_until_last_print)
        # the last row that is hedged is the last that pays
        stopped = self.net(scaled, "log", "none")[until]
        stopped[1:] -= 0.0006 * np.abs(np.diff(scaled[until]))
        stopped[[0, -1]] -= 0.0002
        steps = {
            "static": self.reduction(self.net(static, "log", "none", False)),
            "rolling": self.reduction(
                self.net(np.where(np.isnan(rolling), static, rolling), "log", "none", False)
            ),
            "unhedged_warmup": self.reduction(self.net(unhedged, "log", "none", False)),
            "scaling": self.reduction(self.net(scaled, "log", "none", False)),
            "funding": self.reduction(self.net(scaled, "log", "none")),
            "costs": self.reduction(paid),
            "published": self.reduction(stopped),
            "same_rows": self.reduction(paid),
        }

        def score(name: str, ratio: np.ndarray, kind: str = "log", costs: str = "published"):
            net = self.net(ratio, kind, costs)
            steps[name] = self.reduction(net, kind, len(net))

        score("no_warmup", scaled[200:])
        # what is known before row t has its frame end at row t - 1
        beta, vol = self.beta(200, "log")[199:-1], vol[199:-1]
        score("no_look_ahead", beta * np.minimum(1, target / (vol + 1e-8)))
        target = 0.5 / np.sqrt(365 * 24)
        score("whole_year", beta * np.minimum(1, target / (vol + 1e-8)))
        score("no_guards", beta * np.minimum(1, target / vol))
        score("own_window", self.beta(720, "log")[719:-1] * np.minimum(1, target / vol[520:]))
        beta, vol = self.beta(720, "simple")[719:-1], self.volatility("simple")[719:-1]
        ratio = beta * np.minimum(1, target / vol)
        score("simple_returns", ratio, "simple")
        for name, known in {
            "own_fees": ratio,
            "vol_scaled": ratio,
            "rolling_ols": beta,
            "naive": np.ones(len(beta)),
        }.items():
            score(name, known, "simple", "own")
        return steps


def make_published(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    """Run make published in the environment that runs the tests, as no part of another make."""
    caller = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "published", *arguments, f"VENV={BIN.parent}", "-o", f"{BIN.parent}/.installed"],
        cwd=project.root,
        env=caller,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def maker(new_project: Callable[[], Project]) -> Project:
    """A project with its Makefile, in which nothing was built."""
    project = new_project()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, project.root)
    return project


@pytest.fixture(scope="module")
def published(maker: Project) -> tuple[Project, Path, str]:
    """The published result, of files in a folder with an odd name: project, page, stdout."""
    folder = maker.root / "their 'data' {1h}"
    shutil.copytree(MARKET_DATA / "reference", folder)
    page = folder / "a page.md"
    page.write_text(re.sub(r"\|.*\|\n", "", PAGE.read_text()))
    done = make_published(
        maker,
        f"SPOT={folder}/spot_BTCUSDT_1h.parquet",
        f"PERP={folder}/perp_*.parquet",
        f"FUNDING={folder.name}/funding_BTCUSDT.parquet",
        f"PAGE={page}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    maker.database = maker.root / "data" / "published.duckdb"
    return maker, page, done.stdout


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    """The notebook's sample in numpy."""
    return Oracle()


@pytest.fixture(scope="module")
def walk(published: tuple) -> pd.DataFrame:
    """The walk as built, by name."""
    return published[0].query("from published_walk order by step").set_index("name")


@needs_market_data
def test_its_tables_are_described(published: tuple) -> None:
    assert published[0].undescribed() == []


@needs_market_data
@pytest.mark.parametrize("figure", GOLDEN)
def test_published_figures(published: tuple, figure: str) -> None:
    (row,) = (
        published[0].query(f"from published_outcome where figure = '{figure}'").to_dict("records")
    )
    tolerance = SAME_FIGURE if figure in ROUNDED else TOLERANCE
    assert row["reproduced"] == pytest.approx(GOLDEN[figure], rel=0, abs=tolerance)
    assert row["published"] == GOLDEN[figure]
    assert row["difference"] == row["reproduced"] - row["published"]


@needs_market_data
def test_no_other_figure_is_told(published: tuple) -> None:
    assert set(published[0].query("from published_outcome")["figure"]) == GOLDEN.keys()


@needs_market_data
def test_each_step_is_what_numpy_says(walk: pd.DataFrame, oracle: Oracle) -> None:
    expected = oracle.walk()
    assert walk.index.tolist() == list(expected)
    assert walk["variance_reduction"].to_dict() == pytest.approx(expected, rel=0, abs=TOLERANCE)
    assert np.allclose(walk["change"][1:], np.diff(list(expected.values())), rtol=0, atol=TOLERANCE)


@needs_market_data
def test_the_walk_arrives_at_the_figures_of_the_project(published: tuple) -> None:
    """Two implementations that share nothing but staging."""
    own, replicated, product = (
        published[0].query(query)
        for query in (
            "select bars, variance_reduction, max_drawdown from published_walk"
            " where name = 'own_fees'",
            "select name, source, bars, variance_reduction, max_drawdown from published_walk"
            " where source = 'hedge_metrics' order by name",
            "select strategy as name, 'hedge_metrics' as source, bars, variance_reduction,"
            " max_drawdown from hedge_metrics"
            " where strategy in ('naive', 'rolling_ols', 'vol_scaled') order by name",
        )
    )
    pd.testing.assert_frame_equal(replicated, product)
    scaled = product[product["name"] == "vol_scaled"][own.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, scaled, rtol=0, atol=TOLERANCE)


@needs_market_data
def test_each_step_changes_one_setting(published: tuple) -> None:
    steps = published[0].query("from published_steps order by step").fillna("none")
    settings = steps.drop(columns=["step", "name", "rule", "project_rule"])
    changed = (settings != settings.shift()).sum(axis="columns")
    assert steps["step"].tolist() == list(range(len(steps)))
    assert (changed[1:] == 1).all()


@needs_market_data
def test_every_table_and_column_is_described(published: tuple) -> None:
    comments = published[0].query(
        "select table_name, comment from duckdb_columns() where table_name like 'published%'"
        " union all"
        " select table_name, comment from duckdb_tables() where table_name like 'published%'"
    )
    assert set(comments["table_name"]) == MODELS
    assert comments["comment"].notna().all()


@needs_market_data
def test_the_page_holds_the_tables_figures(published: tuple) -> None:
    project, page, _ = published
    assert page.read_text() == PAGE.read_text(), "write docs/published.md again: make published"
    walk = project.query("from published_walk order by step")
    assert walk_markdown(walk.to_dict("records")) in PAGE.read_text()
    outcome = project.query("from published_outcome")["reproduced"]
    percent = 100 * pd.concat(
        [walk[name] for name in ("variance_reduction", "change", "max_drawdown")] + [outcome]
    )
    known = np.abs(pd.concat([percent, outcome]).dropna().values)
    prose = re.sub(r"\|.*\|\n", "", PAGE.read_text())
    told = re.findall(r"(?<![\d.])\d+\.(\d{2,})", prose)
    figures = re.findall(r"(?<![\d.])\d+\.\d{2,}", prose)
    assert len(figures) > 20
    for figure, decimals in zip(figures, told, strict=True):
        assert float(figure) in np.round(known, len(decimals)), figure


@needs_market_data
def test_about_half_of_the_variance_is_hedged_least(oracle: Oracle) -> None:
    # the notebook's frames end with the row, the project's one row before
    for kind, days, warmup, lag in (("log", 252, 200, 0), ("simple", 365, 720, 1)):
        spot = oracle.returns[kind][0][warmup:]
        vol = np.roll(oracle.volatility(kind), lag)[warmup:]
        is_scaled = vol > 0.5 / np.sqrt(24 * days)
        assert 0.45 < (spot[is_scaled] ** 2).sum() / (spot**2).sum() < 0.6


@needs_market_data
def test_both_tables_are_printed(published: tuple) -> None:
    _, _, printed = published
    for figure in GOLDEN:
        assert re.search(rf"^{figure} ", printed, flags=re.MULTILINE)
    for cell in ("99.9380 %", "98.1213 %", "92.4224 %", "92.4157 %", "99.9381 %"):
        assert cell in printed
    assert "not the files" not in printed


@needs_market_data
def test_the_projects_own_database_is_left_alone(published: tuple) -> None:
    project, _, _ = published
    assert sorted(path.name for path in (project.root / "data").iterdir()) == [
        "published.duckdb",
        "seeds",
    ]


def test_only_make_published_has_the_models(maker: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODELS],
        cwd=maker.root,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    by_default, published = (set(names) for names in json.loads(done.stdout.splitlines()[-1]))
    assert "model.spot_perp_hedge.hedge_metrics" in by_default
    # tests of them would be among the nodes, too
    assert published - by_default == {f"model.spot_perp_hedge.{name}" for name in MODELS}
    assert by_default < published


def test_without_arguments_it_says_what_it_needs(maker: Project) -> None:
    done = make_published(maker)
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert done.returncode != 0
    assert line.startswith("error: missing: SPOT PERP FUNDING; ")
    assert done.stdout == ""


@needs_market_data
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--perp": None}, "error: missing: PERP; "),
        ({"--spot": MARKET_DATA / "raw" / "binance_spot_BTCUSDT_5m.parquet"}, "a bar every 5m"),
        ({"--spot": MARKET_DATA / "raw" / "binance_spot_*.parquet"}, "several pairs (BNBUSDT BTC"),
        ({"--funding": "nowhere.parquet"}, "nowhere.parquet does not exist"),
        ({"--page": "dbt_project.yml"}, "dbt_project.yml has no <!-- published_walk -->"),
        ({"--page": "nowhere.md"}, "nowhere.md cannot be read"),
    ],
)
def test_refusals_are_one_sentence(maker: Project, changed: dict, message: str) -> None:
    reference = MARKET_DATA / "reference"
    flags = {
        "--spot": reference / "spot_BTCUSDT_1h.parquet",
        "--perp": reference / "perp_BTCUSDT_1h.parquet",
        "--funding": reference / "funding_BTCUSDT.parquet",
    } | changed
    given = [word for flag, value in flags.items() if value for word in (flag, value)]
    done = maker.run(*given, module="scripts.published")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert done.stdout == ""
