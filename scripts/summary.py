"""The small table that ends a run: the figures of a run folder, as a person reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# below this share of the spot notional a trade is rounding, and shown as none
NOTHING = 1e-9
COLUMNS = {
    "variance_reduction": ("var. reduction", "{:.3%}"),
    "sharpe": ("Sharpe", "{:.2f}"),
    "max_drawdown": ("drawdown", "{:.2%}"),
    "pnl_frac": ("money result", "{:+.2%}"),
    "turnover": ("turnover", "{:.2f}x"),
    "fees": ("fees", "{:.3%}"),
    "funding": ("funding", "{:+.2%}"),
}


def summary(folder: Path) -> str:
    """Return the summary of a run folder, several lines."""
    metrics = json.loads((folder / "metrics.json").read_text())
    verdict = json.loads((folder / "verdict.json").read_text())["verdict"]
    with (folder / "paper_rebalance_log.jsonl").open() as log:
        next_order = json.loads(log.readlines()[-1])
    metadata = json.loads((folder / "metadata.json").read_text())
    sample, selected = metrics["sample"], metrics["selected_strategy"]
    lines = [
        "",
        f"{metrics['symbol']} {metrics['timeframe']}: {sample['evaluated_bars']} bars from"
        f" {sample['start']} to {sample['end']}, after {sample['warmup_bars']} bars of warm-up",
        *table(metrics["strategies"], selected),
    ]
    funding = metrics["strategies"][selected]["funding"]
    if funding < 0:
        lines.append(
            f"Funding went against the short: {selected} paid {-funding:.2%} of the spot notional."
        )
    if metrics["perp_is_proxy"]:
        lines.append("No perp was given: spot stands in for it, so risk is not measured.")
    counts = ", ".join(f"{kind} {count}" for kind, count in metrics["incidents"].items())
    lines += [
        f"Data incidents: {counts or 'none'}",
        f"Verdict: {verdict}",
        order_sentence(next_order, metadata["as_of"] if metadata["dbt_vars"]["as_of"] else None),
    ]
    return "\n".join(lines)


def table(strategies: dict[str, dict[str, Any]], selected: str) -> list[str]:
    """Return a line per strategy, the selected one marked, under a line of heads."""
    width = max(len(name) for name in strategies) + 2
    heads = "".join(f"{head:>15}" for head, _ in COLUMNS.values())
    lines = [" " * width + heads]
    for name, figures in strategies.items():
        cells = "".join(
            f"{'-' if figures[key] is None else form.format(figures[key]):>15}"
            for key, (_, form) in COLUMNS.items()
        )
        lines.append(f"{'*' if name == selected else ' '} {name:<{width - 2}}{cells}")
    return lines


def order_sentence(order: dict[str, Any], as_of: str | None = None) -> str:
    """Return what a desk would do now, or at another time, and how old the data are then."""
    return (
        f"Next order ({order['strategy']}, dry run): {order_action(order)};"
        f" decided at {order['decision_ts']}, on data {age(order['data_age_hours'])} old"
        + (f" at {as_of}" if as_of else "")
    )


def order_action(order: dict[str, Any]) -> str:
    """Return what an order of the log does."""
    if order["order_notional_frac"] < NOTHING:
        return f"hold {order['hedge_ratio_before']:.4f} perp per spot notional"
    action = f"{order['order_side']} {order['order_notional_frac']:.4%} of the spot notional"
    if order["order_qty"] is not None:
        action += f" ({order['order_qty']:.6g} perp coins per spot coin)"
    return f"{action}, from {order['hedge_ratio_before']:.4f} to {order['hedge_ratio_target']:.4f}"


def age(hours: float) -> str:
    """Return an age in the unit that suits it."""
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
