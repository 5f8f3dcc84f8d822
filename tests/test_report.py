"""The report is opened in a real browser: it draws, zooms, asks for nothing, and says the figures.

Tests are skipped without Chromium; CHROMIUM names one that is not on the path.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scripts import export, report
from scripts.summary import order_action
from tests.conftest import Project

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on the path: set CHROMIUM")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHARTS = ("growth", "ratio", "volatility", "variance", "carry", "cost")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(sample_project: tuple[Project, Path]) -> Path:
    return sample_project[1]


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Page:
    """The sample's report, on a screen."""
    opened = opened_page(browser, folder / "report.html", viewport=WIDE)
    assert opened.complaints == []
    return opened


def opened_page(browser: Browser, path: Path, **options: object) -> Page:
    """Open a file; what it complains of, or asks of a network, is listed in page.complaints."""
    page = browser.new_context(**options).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file:", "data:", "blob:"))
            or page.complaints.append(request.url)
        ),
    )
    page.goto(path.as_uri())
    page.wait_for_function(
        "names => names.every(name => document.getElementById(name)._fullLayout)", arg=list(CHARTS)
    )
    return page


def axis_range(page: Page, chart: str, axis: str) -> list[pd.Timestamp]:
    """Return the range that an axis of time shows."""
    shown = page.evaluate(f"document.getElementById('{chart}')._fullLayout.{axis}.range")
    return [pd.Timestamp(end, unit="ms" if isinstance(end, float | int) else None) for end in shown]


def figures_of(page: Page, table: str) -> pd.DataFrame:
    """Return the figures of a table: name, strategy, the value in full and as it is written."""
    return pd.DataFrame(
        page.evaluate(
            """id => [...document.querySelectorAll(`#${id} data`)].map(item => ({
            figure: item.dataset.figure, strategy: item.closest("td")?.dataset.strategy,
            value: item.value, written: item.textContent,
        }))""",
            table,
        )
    )


def test_every_chart_is_drawn(page: Page) -> None:
    for chart in CHARTS:
        drawn = page.evaluate(
            """id => [...document.querySelectorAll(
                `#${id} .trace path, #${id} .trace .point path, #${id} .scatterlayer path`
            )].filter(path => path.getBBox().width > 0).length""",
            chart,
        )
        assert drawn > 0, chart
        assert page.evaluate("id => document.getElementById(id).clientWidth", chart) > 1000, chart


def test_no_control_offers_to_send_anything(page: Page) -> None:
    """Nor does the page lead anywhere: no link, no form, nothing to upload to."""
    for chart in CHARTS:
        page.locator(f"#{chart}").hover()
        buttons = page.evaluate(
            """id => [...document.querySelectorAll(`#${id} .modebar-btn`)]
                .map(button => button.getAttribute("data-title"))""",
            chart,
        )
        assert buttons == [
            "Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"
        ], chart  # fmt: skip
        config = page.evaluate("id => document.getElementById(id)._context", chart)
        assert config["plotlyServerURL"] == ""
        assert config["showSendToCloud"] is False
    assert page.locator("a[href], form, iframe, object, embed, link[href^=http]").count() == 0


def test_zooming_moves_both_panels_and_a_double_click_brings_them_back(page: Page) -> None:
    whole = axis_range(page, "ratio", "xaxis3")
    panel = page.locator("#ratio .nsewdrag").first
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    page.wait_for_function("document.getElementById('ratio').layout.xaxis.autorange === false")
    zoomed = axis_range(page, "ratio", "xaxis")
    share = (zoomed[1] - zoomed[0]) / (whole[1] - whole[0])
    assert share == pytest.approx(0.25, abs=0.02)
    assert axis_range(page, "ratio", "xaxis3") == zoomed
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_function("document.getElementById('ratio').layout.xaxis.autorange === true")
    assert axis_range(page, "ratio", "xaxis3") == whole


def test_figures_are_those_of_metrics_json(page: Page, folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = figures_of(page, "strategies")
    assert list(rows["strategy"].unique()) == list(metrics["strategies"])
    known = rows[rows["figure"].isin(metrics["strategies"]["naive"])]
    assert len(known) == 9 * len(metrics["strategies"])
    assert set(rows["figure"]) - set(known["figure"]) == {"utility", "worst_week"}
    for row in pd.concat([known, figures_of(page, "key-figures")]).itertuples():
        _, form = report.FIGURES[row.figure]
        assert row.written == form.format(float(row.value))
        if row.figure in metrics["strategies"][row.strategy]:
            assert float(row.value) == metrics["strategies"][row.strategy][row.figure]
    market = figures_of(page, "market").set_index("figure")["value"].astype(float).to_dict()
    assert market == metrics["market"]
    assert f"{metrics['sample']['evaluated_bars']:,} bars from {metrics['sample']['start']}" in (
        page.locator("header").inner_text()
    )


def test_intervals_months_and_tails_are_those_of_the_marts(
    page: Page, sample_project: tuple[Project, Path]
) -> None:
    project = sample_project[0]
    intervals = project.query("from hedge_intervals where metric = 'sharpe'").set_index("strategy")
    for strategy, row in intervals.iterrows():
        cell = page.locator(
            f'#strategies td[data-strategy="{strategy}"]',
            has=page.locator('data[data-figure="sharpe"]'),
        )
        assert cell.locator(".interval").inner_text() == (
            f"{row['ci_low']:z.2f} to {row['ci_high']:z.2f}"
        )
    tails = project.query("from hedge_tails").set_index("strategy")["worst_week"]
    said = figures_of(page, "strategies").query("figure == 'worst_week'").set_index("strategy")
    assert said["value"].astype(float).to_dict() == tails.to_dict()
    months = figures_of(page, "months")
    carry = project.query(
        "from carry_attribution where strategy = 'rolling_ols' order by month desc"
    )
    for part in ("basis", "funding", "fees", "unhedged", "net"):
        of_part = months[months["figure"] == part]["value"].astype(float)
        assert list(of_part) == list(carry[part])


def test_verdict_order_incidents_and_inputs_are_those_of_the_folder(
    page: Page, folder: Path
) -> None:
    verdict = json.loads((folder / "verdict.json").read_text())["verdict"]
    order = json.loads((folder / "paper_rebalance_log.jsonl").read_text().splitlines()[-1])
    metadata = json.loads((folder / "metadata.json").read_text())
    assert verdict in page.locator("#verdict").inner_text()
    said = page.locator("#order").inner_text()
    assert order_action(order) in said
    assert order["decision_ts"] in said
    assert "so the bar that it was for has passed" in said  # the sample ends years ago
    assert "As you read this, they are" in said
    incidents = page.locator("#incidents tbody").inner_text()
    assert "missing_bars" in incidents
    assert "missing_print" in incidents
    inputs = page.locator("#inputs").inner_text()
    assert all(file["sha256"] in inputs for file in metadata["inputs"])


def test_lines_keep_every_extreme_of_the_bars(page: Page, folder: Path) -> None:
    bars = pd.read_csv(folder / "returns_decomposed.csv", parse_dates=["ts"])
    drawn = page.evaluate(
        """["growth", "ratio"].flatMap(id => document.getElementById(id)._fullData.map(line => ({
            axis: id + line.yaxis, name: line.name,
            x: Array.from(line.x, Number), y: Array.from(line.y, Number),
        })))"""
    )
    lines = {(line["axis"], line["name"]): line for line in drawn}
    for strategy, rows in bars.groupby("strategy"):
        for axis, values in (
            ("growthy", np.expm1(rows["cum_log_return"])),
            ("growthy2", rows["drawdown"]),
            ("ratioy", rows["hedge_ratio"]),
        ):
            line = lines[axis, strategy]
            every = pd.Series(values.to_numpy(np.float32), index=rows["ts"].dt.tz_localize(None))
            times = pd.to_datetime(line["x"], unit="ms")
            assert times.is_monotonic_increasing
            assert (len(times), times[0], times[-1]) == (
                pytest.approx(1000, abs=500),
                every.index[0],
                every.index[-1],
            )
            np.testing.assert_allclose(line["y"], every[times], rtol=1e-6, atol=1e-9)
            assert min(line["y"]) == pytest.approx(every.min(), abs=1e-9)
            assert max(line["y"]) == pytest.approx(every.max(), abs=1e-9)


def test_the_query_of_each_figure_computes_it(
    page: Page, folder: Path, sample_project: tuple[Project, Path]
) -> None:
    queries = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll("[data-query]")].map(
            item => [item.dataset.query, item.textContent]))"""
    )
    figures = json.loads((folder / "metrics.json").read_text())["strategies"]["rolling_ols"]
    figures |= (
        sample_project[0].query("from hedge_tails where strategy = 'rolling_ols'").iloc[0].to_dict()
    )
    assert set(queries) >= {name for name in figures if name != "worst_bar_ts"} - {
        "symbol",
        "timeframe",
        "strategy",
        "worst_week_start",
    }
    for figure, sql in queries.items():
        found = sample_project[0].query(sql).iloc[0, 0]
        assert found == pytest.approx(figures[figure], rel=1e-9), figure


def test_a_phone_reads_it(browser: Browser, folder: Path) -> None:
    page = opened_page(
        browser, folder / "report.html", viewport=PHONE, is_mobile=True, has_touch=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert all(
        page.evaluate("id => document.getElementById(id).clientWidth", chart) < PHONE["width"]
        for chart in CHARTS
    )
    # a finger that draws over a chart scrolls the page: the buttons zoom
    assert not page.evaluate("document.getElementById('growth').layout.dragmode")
    page.locator("#growth .rangeselector .button", has_text="quarter").tap()
    start, end = axis_range(page, "growth", "xaxis2")
    assert (end - start).days == pytest.approx(91, abs=2)
    assert page.complaints == []


def test_rules_are_those_of_the_tables_and_views(
    page: Page, sample_project: tuple[Project, Path]
) -> None:
    comments = sample_project[0].query(
        "select table_name, comment from duckdb_tables()"
        " union all select view_name, comment from duckdb_views() where not internal"
    )
    paragraphs = [" ".join(text.split()) for text in page.locator("p").all_text_contents()]
    for name, comment in comments.itertuples(index=False):
        if name in report.RULED:
            assert f"{name}: {' '.join(comment.split())}" in paragraphs
    assert set(report.RULED) <= set(comments["table_name"])


def test_it_is_one_file_of_less_than_6_mb(folder: Path) -> None:
    assert (folder / "report.html").stat().st_size < 6e6


def test_names_are_text_whatever_they_hold(
    browser: Browser, sample_project: tuple[Project, Path], tmp_path: Path
) -> None:
    name = "</script><script>throw 'x'</script><!--<script><b id=\"bad\">' & "
    shutil.copy(sample_project[0].database, tmp_path / "hedge.duckdb")
    with duckdb.connect(str(tmp_path / "hedge.duckdb")) as connection:
        tables = connection.execute(
            "select table_name from duckdb_columns() where column_name = 'strategy' and"
            " schema_name = 'main' and table_name in (select table_name from duckdb_tables())"
        ).fetchall()
        for (table,) in tables:
            connection.execute(
                f"update {table} set strategy = ? where strategy = 'rolling_ols'", [name]
            )
        connection.execute("update data_incidents set detail = ?", [name])
        report.write(
            connection,
            "BTCUSDT",
            "1h",
            tmp_path / "report.html",
            metrics=export.metrics(connection, "BTCUSDT", "1h"),
            verdict={"verdict": name},
            metadata=export.run_metadata(connection, "BTCUSDT", "1h", None),
        )
    page = opened_page(browser, tmp_path / "report.html", viewport=WIDE)
    assert page.complaints == []
    assert page.locator("#bad").count() == 0
    assert name.strip() in page.locator("#verdict").inner_text()
    assert name.strip() in page.locator("#incidents").inner_text()
    assert (
        page.evaluate("document.getElementById('growth').data.map(line => line.name)").count(name)
        == 2
    )
