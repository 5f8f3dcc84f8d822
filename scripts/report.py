"""Write report.html of a run folder: one page that opens from disk and asks nothing of a network.

Figures and lines are those of the marts; charts are drawn by plotly.js, which the page carries.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from scripts import plots
from scripts.database import rows
from scripts.plots import query
from scripts.summary import age, order_action

TEMPLATE = Path(__file__).with_name("report.html.j2")
# without that of traces, which is copied for each chart: half the time of the charts
STYLE = go.layout.Template(layout=pio.templates["plotly_white"].layout)
# figure of hedge_metrics, hedge_tails or hedge_intervals: (what a reader calls it, its form)
FIGURES = {
    "variance_reduction": ("Variance removed", "{:z.3%}"),
    "volatility": ("Volatility, a year", "{:z.2%}"),
    "sharpe": ("Sharpe ratio", "{:z.2f}"),
    "utility": ("Score U, a year", "{:+z.2%}"),
    "max_drawdown": ("Deepest drawdown", "{:z.2%}"),
    "worst_week": ("Worst week", "{:+z.2%}"),
    "pnl_frac": ("Money result", "{:+z.2%}"),
    "funding": ("Funding received", "{:+z.2%}"),
    "fees": ("Fees", "{:+z.3%}"),
    "turnover_per_year": ("Turnover a year", "{:z.2f}×"),
    "perp_pnl_low": ("Lowest result of the short", "{:+z.2%}"),
}
MONTH_FIGURES = {
    "variance_reduction": ("Variance removed", "{:z.3%}"),
    "basis": ("Basis", "{:+z.3%}"),
    "funding": ("Funding", "{:+z.3%}"),
    "fees": ("Fees", "{:+z.4%}"),
    "unhedged": ("Left unhedged", "{:+z.3%}"),
    "net": ("Net", "{:+z.3%}"),
}
# the marts whose comments hold the rules of accounting
RULED = ("prices_merged", "beta_series", "returns_decomposed", "hedge_metrics")
# beyond, a table and a legend are not read, and the page grows
MOST_INCIDENTS = 200
MOST_LINES = 16
PERCENT = ".4~%"


def write(
    connection: duckdb.DuckDBPyConnection,
    symbol: str,
    timeframe: str,
    path: Path,
    metrics: dict[str, Any],
    verdict: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """Write the report of one symbol and timeframe to a path.

    metrics, verdict and metadata are the contents of the JSON files of the same run folder.
    """
    sample = (symbol, timeframe)
    selected = metrics["selected_strategy"]
    strategies = strategy_figures(connection, *sample)
    queries = rows(
        connection,
        "select figure, definition, query from hedge_figures()"
        " where symbol = ? and timeframe = ? and strategy = ?",
        *sample,
        selected,
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["age"] = age
    environment.globals["utc"] = utc
    page = environment.get_template(TEMPLATE.name).render(
        plotly_js=get_plotlyjs(),
        metrics=metrics,
        verdict=verdict["verdict"],
        metadata=metadata,
        order=next_order(connection, *sample),
        selected=selected,
        yardstick=min(plots.unhedged_strategies(connection), default=selected),
        strategies=strategies,
        figures=FIGURES,
        months=month_figures(connection, *sample, selected),
        month_figures=MONTH_FIGURES,
        incidents=rows(
            connection,
            "from data_incidents where symbol = ? order by"
            " severity = 'error' desc, severity = 'warn' desc, ts, source, kind limit ?",
            symbol,
            MOST_INCIDENTS,
        ),
        # what is not known, such as risk without a perp, has no query either
        queries=[row for row in queries if strategies[selected][row["figure"]] is not None],
        rules=rows(
            connection,
            "select table_name, comment from ("
            " select table_name, comment, schema_name from duckdb_tables()"
            " union all select view_name, comment, schema_name from duckdb_views()"
            ") where schema_name = 'main'"
            f" and table_name in {RULED} order by list_position({list(RULED)}, table_name)",
        ),
        charts=charts(connection, *sample, selected),
    )
    path.write_text(page, encoding="utf-8")


def utc(time: date) -> str:
    """Return a time or a date as it is written everywhere in a run folder."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def next_order(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> dict[str, Any]:
    """Return the order for the bar that has not happened yet, and whether it is out of time."""
    (order,) = rows(
        connection,
        "select orders.*, orders.data_age_hours > 8760 / periods_per_year as is_late"
        " from paper_rebalance_log as orders join int_samples using (symbol, timeframe)"
        " where symbol = ? and timeframe = ? order by seq desc limit 1",
        symbol,
        timeframe,
    )
    return order | {"action": order_action(order)}


def strategy_figures(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str
) -> dict[str, dict[str, Any]]:
    """Return, by strategy in the seed's order, its figures and `<figure>_low` and `_high`."""
    found = rows(
        connection,
        "select metrics.*, tails.* exclude (symbol, timeframe, strategy) from hedge_metrics"
        " as metrics join hedge_tails as tails using (symbol, timeframe, strategy)"
        " join hedge_strategies using (strategy)"
        " where symbol = ? and timeframe = ? order by hedge_strategies.rowid",
        symbol,
        timeframe,
    )
    figures = {row["strategy"]: row for row in found}
    for row in rows(
        connection,
        "from hedge_intervals where symbol = ? and timeframe = ?",
        symbol,
        timeframe,
    ):
        of_strategy = figures[row["strategy"]]
        of_strategy.setdefault(row["metric"], row["estimate"])
        of_strategy[f"{row['metric']}_low"] = row["ci_low"]
        of_strategy[f"{row['metric']}_high"] = row["ci_high"]
    return figures


def month_figures(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str, strategy: str
) -> list[dict[str, Any]]:
    """Return what each month brought a strategy, the newest first."""
    return rows(
        connection,
        "select carry.*, regimes.variance_reduction, strftime(month, '%Y-%m') as month"
        " from carry_attribution as carry join hedge_metrics_by_regime as regimes"
        " on regimes.regime = strftime(month, '%Y-%m') and regimes.regime_kind = 'month'"
        " and (regimes.symbol, regimes.timeframe, regimes.strategy)"
        " = (carry.symbol, carry.timeframe, carry.strategy)"
        " where carry.symbol = ? and carry.timeframe = ? and carry.strategy = ?"
        " order by carry.month desc",
        symbol,
        timeframe,
        strategy,
    )


def charts(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str, selected: str
) -> list[dict[str, str]]:
    """Return the charts in the order of the page: name, question and plotly's JSON."""
    sample = (symbol, timeframe)
    lines = query(
        connection,
        "select series, strategy, epoch_ms(ts)::double as ts, value::float as value"
        " from plot_series where symbol = ? and timeframe = ?"
        " and (strategy = ? or series <> 'funding_received') order by series, strategy, ts",
        *sample,
        selected,
    )
    styles = plots.styles(connection)
    shown = {
        row["strategy"]
        for row in rows(
            connection,
            "select strategy from int_strategies"
            " where timeframe = ? and (is_selected or is_benchmark or estimator = 'none')",
            timeframe,
        )
    }
    drawn = sorted(styles, key=lambda name: name not in shown)[:MOST_LINES]
    lined = {name: style for name, style in styles.items() if name in drawn}
    made = {
        "growth": ("How did each grow, and how far did it fall?", growth(lines, lined, shown)),
        "ratio": (
            f"What is held short, and what does funding pay {selected}?",
            ratio(lines, lined, selected),
        ),
        "volatility": ("How much risk is left, week by week?", volatility(lines, lined, shown)),
        "variance": (
            f"What is the hedged variance made of ({selected})?",
            variance(connection, *sample),
        ),
        "carry": (f"What did {selected} earn it with?", carry(connection, *sample, selected)),
        "cost": ("What does less risk cost?", cost(connection, *sample, styles)),
    }
    return [
        {
            "name": name,
            "question": question,
            "height": figure.layout.height,
            # in a script element nothing may look like its end, or a comment
            "json": figure.to_json().replace("<", "\\u003c"),
        }
        for name, (question, figure) in made.items()
    ]


def stacked(
    titles: list[str],
    height: int,
    gap: int = 40,
    **options: Any,  # noqa: ANN401
) -> go.Figure:
    """Return an empty figure of panels below each other, gap pixels apart, in the page's style."""
    figure = go.Figure(
        layout={
            "template": STYLE,
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 40, "b": 8},
            "font": {"family": "system-ui, sans-serif", "size": 13},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
            "hoverlabel": {"namelength": -1},
        }
    )
    make_subplots(
        rows=len(titles),
        subplot_titles=titles,
        vertical_spacing=gap / height,
        figure=figure,
        **options,
    )
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    figure.update_xaxes(automargin=True, title_font_size=13)
    figure.update_yaxes(automargin=True, title_font_size=13)
    return figure


def over_time(titles: list[str], height: int) -> go.Figure:
    """Return an empty figure whose panels share an axis of time, with buttons for its end."""
    figure = stacked(titles, height, shared_xaxes=True)
    figure.update_layout(hovermode="x unified", margin_t=68)
    figure.update_xaxes(type="date")
    figure.update_xaxes(
        row=1,
        col=1,
        rangeselector={
            # above the panel's title, away from plotly's own buttons
            "x": 0,
            "xanchor": "left",
            "y": 1 + 30 / height,
            "yanchor": "bottom",
            "buttons": [
                {"count": count, "step": step, "label": label, "stepmode": "backward"}
                for count, step, label in (
                    (7, "day", "week"),
                    (1, "month", "month"),
                    (3, "month", "quarter"),
                )
            ]
            + [{"step": "all", "label": "all"}],
        },
    )
    return figure


def add_lines(
    figure: go.Figure,
    row: int,
    lines: pd.DataFrame,
    series: str,
    styles: dict[str, dict[str, Any]],
    shown: set[str],
    hover: str,
) -> None:
    """Add a line for each strategy that has the series; those not shown wait in the legend."""
    of_series = lines[lines["series"] == series]
    for strategy, style in styles.items():
        line = of_series[of_series["strategy"] == strategy]
        if line.empty:
            continue
        figure.add_scatter(
            row=row,
            col=1,
            x=line["ts"].to_numpy(),
            y=line["value"].to_numpy(),
            mode="lines",
            name=strategy,
            legendgroup=strategy,
            showlegend=row == 1,
            visible=True if strategy in shown else "legendonly",
            line={"color": style["color"], "width": 1.5},
            hovertemplate=hover,
        )


def growth(lines: pd.DataFrame, styles: dict[str, dict[str, Any]], shown: set[str]) -> go.Figure:
    """Draw what each strategy compounds to, and below it how far it is below its peak."""
    figure = over_time(["Compounded net return", "Below the peak so far"], 560)
    add_lines(figure, 1, lines, "growth", styles, shown, "%{y:+.2%}")
    add_lines(figure, 2, lines, "drawdown", styles, shown, "%{y:.2%}")
    figure.update_yaxes(tickformat=PERCENT)
    return figure


def ratio(lines: pd.DataFrame, styles: dict[str, dict[str, Any]], selected: str) -> go.Figure:
    """Draw the ratio that is held, and beneath it the funding rate and what it has paid."""
    figure = over_time(
        [
            "Hedge ratio, perp per spot notional",
            "Funding rate, annualised",
            f"Received so far by {selected}",
        ],
        640,
    )
    add_lines(figure, 1, lines, "hedge_ratio", styles, {selected}, "%{y:.4f}")
    rate = lines[lines["series"] == "funding_rate"]
    figure.add_scatter(
        row=2,
        col=1,
        x=rate["ts"].to_numpy(),
        y=rate["value"].to_numpy(),
        mode="lines",
        name="funding rate",
        showlegend=False,
        line={"color": "#777777", "width": 1},
        hovertemplate="%{y:+.2%}",
    )
    received = lines[lines["series"] == "funding_received"]
    figure.add_scatter(
        row=3,
        col=1,
        x=received["ts"].to_numpy(),
        y=received["value"].to_numpy(),
        mode="lines",
        name=f"received by {selected}",
        showlegend=False,
        line={"color": styles[selected]["color"], "width": 1.5},
        hovertemplate="%{y:+.2%}",
    )
    figure.update_yaxes(row=2, col=1, tickformat=PERCENT)
    figure.update_yaxes(row=3, col=1, tickformat=PERCENT)
    return figure


def volatility(
    lines: pd.DataFrame, styles: dict[str, dict[str, Any]], shown: set[str]
) -> go.Figure:
    """Draw annualised volatility over 7 days, on a log scale."""
    figure = over_time(["Annualised volatility, last 7 days, on a log scale"], 380)
    add_lines(figure, 1, lines[lines["value"] > 0], "volatility", styles, shown, "%{y:.2%}")
    figure.update_yaxes(type="log", tickformat=PERCENT, dtick="D2")
    if not figure.data:
        say(figure, "Fewer than 7 days of evaluated bars")
    return figure


def variance(connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str) -> go.Figure:
    """Draw the selected strategy's variance as bars that start where the last one ended."""
    figure = stacked(["Prices", "What is left, enlarged"], 580, gap=70, row_heights=[4, 9])
    if plots.is_proxy(connection):
        say(figure, "Not measured: there is no perp")
        return figure
    _, *panels = plots.variance_bars(connection, symbol, timeframe)
    for row, bars in enumerate(panels, start=1):
        figure.add_bar(
            row=row,
            col=1,
            orientation="h",
            showlegend=False,
            # from its lower end, so that the text stands beyond the upper one
            y=[bar.label for bar in bars],
            x=[abs(bar.length) for bar in bars],
            base=[min(bar.left, bar.left + bar.length) for bar in bars],
            marker_color=[bar.colour for bar in bars],
            text=[plots.share_text(bar.length) for bar in bars],
            textposition="outside",
            textfont_size=11,
            hovertemplate="%{y}: %{text}<extra></extra>",
        )
        ends = [end for bar in bars for end in (bar.left, bar.left + bar.length)]
        figure.update_xaxes(row=row, col=1, range=[min(ends), 1.45 * max(ends)])
        figure.update_yaxes(row=row, col=1, autorange="reversed")
    figure.update_xaxes(tickformat=PERCENT)
    figure.update_xaxes(row=2, col=1, title_text="Share of the unhedged variance")
    return figure


def carry(
    connection: duckdb.DuckDBPyConnection, symbol: str, timeframe: str, selected: str
) -> go.Figure:
    """Draw what each month's net return was earned with, as bars that add up to it."""
    months = query(
        connection,
        "select *, strftime(month, '%Y-%m') as name from carry_attribution"
        " where symbol = ? and timeframe = ? and strategy = ? order by month",
        symbol,
        timeframe,
        selected,
    )
    figure = stacked(["By month, of the spot notional"], 400)
    for part, colour in zip(
        ("basis", "funding", "fees", "unhedged"), plots.PART_COLOURS, strict=True
    ):
        if months[part].notna().any():
            figure.add_bar(
                x=months["name"],
                y=months[part],
                name=part,
                marker_color=colour,
                hovertemplate="%{y:+.3%}",
            )
    figure.add_scatter(
        x=months["name"],
        y=months["net"],
        name="net",
        mode="markers",
        marker={"color": plots.TOTAL, "symbol": "diamond", "size": 7},
        hovertemplate="%{y:+.3%}",
    )
    figure.update_layout(barmode="relative", hovermode="x unified")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat=PERCENT)
    return figure


def cost(
    connection: duckdb.DuckDBPyConnection,
    symbol: str,
    timeframe: str,
    styles: dict[str, dict[str, Any]],
) -> go.Figure:
    """Draw the risk that each hedge leaves against what it costs: a sweep's, too, if any."""
    points = query(
        connection,
        "select points.*, is_selected from plot_cost_risk as points"
        " left join int_strategies using (timeframe, strategy)"
        " where symbol = ? and timeframe = ? and cost_bps_per_year > 0"
        " and is_sweep = (select bool_or(is_sweep) from plot_cost_risk)",
        symbol,
        timeframe,
    )
    figure = stacked(["Each strategy, on log scales"], 480)
    if points.empty:
        say(figure, "No hedge with a cost and a perp")
        return figure
    sweep = points[~points["strategy"].isin(list(styles))]
    groups = [("sweep", sweep, plots.TAKEN, "circle", 5)] if len(sweep) else []
    for strategy, style in styles.items():
        point = points[points["strategy"] == strategy]
        if len(point):
            is_selected = bool(point["is_selected"].item())
            groups.append(
                (
                    strategy,
                    point,
                    style["color"],
                    "star" if is_selected else "circle",
                    16 if is_selected else 10,
                )
            )
    for name, hedges, colour, marker, size in groups:
        figure.add_scatter(
            x=hedges["cost_bps_per_year"],
            y=hedges["risk_bps_per_root_day"],
            name=name,
            text=hedges["strategy"],
            mode="markers",
            marker={"color": colour, "symbol": marker, "size": size, "opacity": 0.8},
            hovertemplate="%{text}: %{y:.4g} bp per √day for %{x:.4g} bp a year<extra></extra>",
        )
    figure.update_xaxes(title_text="Cost, bp of the spot notional a year")
    figure.update_yaxes(title_text="Risk left, bp per √day")
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(type="log", dtick="D2", tickformat="~r")
    return figure


def say(figure: go.Figure, text: str) -> None:
    """Write why there is nothing to draw, where it would be."""
    figure.layout.annotations = ()
    figure.update_layout(height=160)
    figure.add_annotation(
        text=text, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5, font_size=18
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
