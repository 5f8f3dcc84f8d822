"""Walk through the bars of a sample with all strategies of a sweep side by side.

What a strategy holds after a bar depends on what it held before, so no window function can
compute it. `walk` follows that recursion for all strategies at once, one bar after another, and
`block_deviations` draws the blocks of the bootstrap from the returns of the walk. `sweep_walk` is
what DuckDB calls, with the bars, targets and rules of a sample in lists (`scripts.plugin`
registers it, models/sweep/int_sweep_walks.sql calls it).

The reference is the walk of the panel in SQL (macros/positions.sql): tests/test_walk.py compares
the two bar by bar.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# strategies of a block: wide enough that numpy's calls cost little
MOST_STRATEGIES = 1024
# cells of a block's returns: 128 MB, so that long samples are walked in narrower blocks
MOST_CELLS = 2**24
# bars that are scored at a time: their matrices fit into a core's cache
STRETCH = 32
LEAST_GROWTH = 1e-300
FIGURES = (
    "first_target",
    "turnover",
    "funding",
    "perp_pnl_low",
    "net",
    "net_squares",
    "price",
    "price_squares",
    "ratio",
    "ratio_squares",
    "growth",
    "growth_low",
    "wealth",
    "wealth_low",
)


class Bars(NamedTuple):
    """The evaluated bars of a sample: an array of each, as long as there are bars."""

    r_spot: Doubles
    """Return of spot over the bar, a fraction."""
    r_fut: Doubles
    """Return of the perp over the bar, a fraction."""
    funding_rate: Doubles
    """Funding that a short of one spot notional receives over the bar, a fraction."""
    price_ratio: Doubles
    """Price of the perp over that of spot at the bar's start."""
    notional: Doubles
    """Price of spot at the bar's start, as a multiple of that of the first bar."""


class Rules(NamedTuple):
    """When the strategies trade: an array of each, as long as there are strategies."""

    band: Doubles
    """Ratio by which the target must differ from what is held."""
    every: Integers
    """Bars from one chance to trade to the next; 0 means the entry alone."""
    min_trade: Doubles
    """Smallest trade after the entry, a fraction of the spot notional."""


def held_coins(targets: Doubles, price_ratio: Doubles, rules: Rules) -> Iterator[Doubles]:
    """Yield the perp coins that are held per coin of spot, by stretches of bars.

    The recursion: at the start of each bar the coins are worth coins * price_ratio. They are
    traded to target / price_ratio on the first bar, and where a chance to trade is due and the
    difference to the target is more than the band and at least min_trade.

    targets: hedge ratios, strategies by bars. Each stretch is a matrix of bars by strategies.
    """
    strategies, bars = targets.shape
    # one comparison for both: beyond the band, and no smaller than min_trade
    least = np.where(
        rules.min_trade > rules.band, np.nextafter(rules.min_trade, -np.inf), rules.band
    )
    is_always_due = bool((rules.every == 1).all())
    every = np.maximum(rules.every, 1)
    coins = np.zeros(strategies)
    distance = np.empty(strategies)
    for start in range(0, bars, STRETCH):
        target = np.ascontiguousarray(targets[:, start : start + STRETCH].T)
        ratios = price_ratio[start : start + STRETCH]
        wanted = target / ratios[:, None]
        beyond = np.broadcast_to(least, target.shape)
        if not is_always_due:
            bar = np.arange(start, start + len(ratios))[:, None]
            is_due = (rules.every > 0) & (bar % every == 0)
            beyond = np.where(is_due, least, np.inf)
        if start == 0:
            beyond = beyond.copy()
            beyond[0] = -np.inf
        path = np.empty_like(target)
        for bar_target, ratio, bar_wanted, bar_beyond, held in zip(
            target, ratios.tolist(), wanted, beyond, path, strict=True
        ):
            np.multiply(coins, ratio, out=distance)
            np.subtract(bar_target, distance, out=distance)
            np.abs(distance, out=distance)
            np.copyto(held, coins)
            np.copyto(held, bar_wanted, where=distance > bar_beyond)
            coins = held
        yield path


def walk(
    bars: Bars, targets: Doubles, rules: Rules, fee: float
) -> tuple[dict[str, Doubles], Doubles]:
    """Walk through the bars of a sample; return what each strategy carries to the end, and net.

    targets: hedge ratios, strategies by bars, none of them missing.
    fee: cost of a trade, a fraction of its notional.

    Returns the figures of FIGURES, an array of strategies each, and the net returns, bars by
    strategies. Sums of returns are in fractions, turnover in multiples of the spot notional,
    `ratio` is the sum of the ratio's differences from the first target, `growth` the sum of
    ln(1 + net) and `growth_low` its deepest fall below its peak, `wealth` 1 plus the money result
    per start value and `wealth_low` its lowest share of its peak, `perp_pnl_low` the lowest
    running price result of the short, 0 at most.

    Raises ValueError where shapes differ or a target is missing.
    """
    strategies, length = targets.shape
    if {len(values) for values in bars} != {length}:
        raise ValueError(f"targets of {length} bars, but {[len(values) for values in bars]} bars")
    if {len(values) for values in rules} != {strategies}:
        raise ValueError(f"targets of {strategies} strategies, but rules of {len(rules.band)}")
    if np.isnan(targets).any():
        raise ValueError("a target is missing")
    zero, one = np.zeros(strategies), np.ones(strategies)
    sums = {name: zero.copy() for name in FIGURES}
    sums["first_target"] = targets[:, 0].copy() if length else zero
    perp_pnl, growth, wealth = zero.copy(), zero.copy(), one.copy()
    growth_peak, wealth_peak = zero.copy(), one.copy()
    sums["wealth_low"] = one.copy()
    net = np.empty((length, strategies))
    coins_before = zero
    start = 0
    for coins in held_coins(targets, bars.price_ratio, rules):
        stretch = slice(start, start + len(coins))
        start = stretch.stop
        r_spot, r_fut, funding_rate, price_ratio, notional = (
            values[stretch, None] for values in bars
        )
        ratio = coins * price_ratio
        trade = np.empty_like(coins)
        np.subtract(coins[0], coins_before, out=trade[0])
        np.subtract(coins[1:], coins[:-1], out=trade[1:])
        coins_before = coins[-1]
        trade *= price_ratio
        np.abs(trade, out=trade)
        sums["turnover"] += trade.sum(axis=0)
        work = ratio * funding_rate
        sums["funding"] += work.sum(axis=0)
        r_net = np.multiply(ratio, funding_rate - r_fut, out=net[stretch])
        r_net += r_spot
        trade *= fee
        r_net -= trade
        hedge = np.multiply(ratio, r_fut, out=work)
        price = np.subtract(r_spot, hedge, out=trade)
        sums["price"] += price.sum(axis=0)
        price *= price
        sums["price_squares"] += price.sum(axis=0)
        hedge *= notional
        hedge[0] -= perp_pnl
        np.negative(np.add.accumulate(hedge, axis=0, out=hedge), out=hedge)
        np.minimum(sums["perp_pnl_low"], hedge.min(axis=0), out=sums["perp_pnl_low"])
        perp_pnl = hedge[-1].copy()
        ratio -= sums["first_target"]
        sums["ratio"] += ratio.sum(axis=0)
        ratio *= ratio
        sums["ratio_squares"] += ratio.sum(axis=0)
        sums["net"] += r_net.sum(axis=0)
        np.multiply(r_net, r_net, out=work)
        sums["net_squares"] += work.sum(axis=0)

        path = np.add(r_net, 1, out=work)
        np.maximum(path, LEAST_GROWTH, out=path)
        np.log(path, out=path)
        path[0] += growth
        np.add.accumulate(path, axis=0, out=path)
        growth = path[-1].copy()
        peak = ratio
        np.copyto(peak, path)
        np.maximum(peak[0], growth_peak, out=peak[0])
        np.maximum.accumulate(peak, axis=0, out=peak)
        growth_peak = peak[-1].copy()
        path -= peak
        np.minimum(sums["growth_low"], path.min(axis=0), out=sums["growth_low"])

        path = np.multiply(r_net, notional, out=work)
        path[0] += wealth
        np.add.accumulate(path, axis=0, out=path)
        wealth = path[-1].copy()
        np.copyto(peak, path)
        np.maximum(peak[0], wealth_peak, out=peak[0])
        np.maximum.accumulate(peak, axis=0, out=peak)
        wealth_peak = peak[-1].copy()
        path /= peak
        np.minimum(sums["wealth_low"], path.min(axis=0), out=sums["wealth_low"])
    return sums | {"growth": growth, "wealth": wealth}, net


def block_deviations(
    net: Doubles, places: Integers, block_bars: int, risk_aversion: float
) -> Doubles:
    """Return how far each strategy's utility a bar strays in each replicate of the bootstrap.

    net: net returns, bars by strategies; overwritten.
    places: the first bars of the drawn blocks, from 1: replicates by blocks. After the last bar
    comes the first again, and the last block is cut so that a replicate has as many bars as the
    sample.
    block_bars: bars of a block.

    Returns an array of replicates by strategies, fractions a bar.

    A replicate's mean, and mean square around the sample's mean, are sums over blocks, and these
    are differences of running sums: the utility with that square in place of the variance needs
    one number a block. It leaves out risk_aversion / 2 of the squared deviation of the mean, which
    is of second order: of a deviation of 50 % a year, a ten thousandth at 1h.
    """
    bars, strategies = net.shape
    replicates, blocks = places.shape
    last_block_bars = bars - (blocks - 1) * block_bars
    # (r - m) - risk_aversion / 2 * (r - m) ^ 2, but for a constant
    gain = 1 + risk_aversion * net.sum(axis=0) / bars
    sums = np.zeros((bars + block_bars, strategies))
    scores = np.multiply(net, -risk_aversion / 2, out=sums[1 : bars + 1])
    scores += gain
    scores *= net
    np.add.accumulate(scores, axis=0, out=scores)
    total = sums[bars].copy()
    np.add(sums[1:block_bars], total, out=sums[bars + 1 :])
    block_sums = np.subtract(sums[block_bars:], sums[:bars], out=net)
    deviations = np.empty((replicates, strategies))
    for drawn, deviation in zip(places - 1, deviations, strict=True):
        np.add.reduce(block_sums.take(drawn[:-1], axis=0), axis=0, out=deviation)
        last = int(drawn[-1])
        deviation += sums[last + last_block_bars]
        deviation -= sums[last]
    deviations -= total
    deviations /= bars
    return deviations


def sweep_walk(
    bars: pa.Array,
    targets: pa.Array,
    strategies: pa.Array,
    places: pa.Array,
    block_bars: pa.Array,
    fee: pa.Array,
    risk_aversion: pa.Array,
) -> pa.Array:
    """Return what the walks of the strategies end with: an Arrow function, a sample a row.

    bars: a list of structs, the fields of Bars.
    targets: a list, of each series of targets, of hedge ratios by bar.
    strategies: a list of structs: series, the place of its targets from 1, band, every and
    min_trade (see Rules).
    places: a list, of each replicate, of the first bars of its blocks, from 1; NULL where the
    sample holds too few blocks.
    block_bars: bars of a block.
    fee: cost of a trade, a fraction of its notional.
    risk_aversion: of the utility.

    Returns a list of structs, one of each strategy in their order: FIGURES (see walk), and
    deviations, a list of how far its utility a bar strays in each replicate, empty without
    places.

    Raises ValueError where lists do not have as many elements as there are bars.
    """
    rows = [
        _walked(
            Bars(*(_field(bars_of, name) for name in Bars._fields)),
            _matrix(targets_of),
            strategies_of,
            _matrix(places_of) if places_of is not None else None,
            block_bars_of,
            fee_of,
            risk_aversion_of,
        )
        for bars_of, targets_of, strategies_of, places_of, block_bars_of, fee_of, risk_aversion_of
        in zip(
            _lists(bars),
            _lists(targets),
            _lists(strategies),
            _lists(places),
            block_bars.to_pylist(),
            fee.to_pylist(),
            risk_aversion.to_pylist(),
            strict=True,
        )
    ]
    offsets = np.cumsum([0, *(len(row) for row in rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.concat_arrays(rows))


def _walked(
    bars: Bars,
    targets: Doubles,
    strategies: pa.StructArray,
    places: Integers | None,
    block_bars: int,
    fee: float,
    risk_aversion: float,
) -> pa.StructArray:
    """Return what the walks of a sample end with, walked in blocks of strategies."""
    series = _field(strategies, "series") - 1
    rules = Rules(*(_field(strategies, name) for name in Rules._fields))
    width = max(1, min(MOST_STRATEGIES, MOST_CELLS // max(1, targets.shape[1])))
    replicates = 0 if places is None else len(places)
    figures = {name: np.empty(len(series)) for name in FIGURES}
    deviations = np.empty((len(series), replicates))
    for start in range(0, len(series), width):
        block = slice(start, start + width)
        found, net = walk(
            bars, targets[series[block]], Rules(*(values[block] for values in rules)), fee
        )
        for name, values in found.items():
            figures[name][block] = values
        if places is not None:
            deviations[block] = block_deviations(net, places, block_bars, risk_aversion).T
    offsets = np.arange(len(series) + 1, dtype=np.int32) * replicates
    return pa.StructArray.from_arrays(
        [
            *map(pa.array, figures.values()),
            pa.ListArray.from_arrays(offsets, deviations.ravel()),
        ],
        [*figures, "deviations"],
    )


def _lists(column: pa.ChunkedArray | pa.Array) -> Iterator[pa.Array | None]:
    """Yield the elements of each row of a column of lists, None for NULL; nothing is copied."""
    for chunk in getattr(column, "chunks", [column]):
        for row in chunk:
            yield row.values if row.is_valid else None


def _field(structs: pa.StructArray, name: str) -> npt.NDArray[np.generic]:
    """Return a field of an array of structs."""
    return structs.field(structs.type.get_field_index(name)).to_numpy(zero_copy_only=False)


def _matrix(lists: pa.ListArray) -> npt.NDArray[np.generic]:
    """Return lists of equal length as a matrix; raise ValueError where lengths differ."""
    values = lists.flatten().to_numpy(zero_copy_only=False)
    if len(values) % max(1, len(lists)) or len(set(lists.value_lengths().to_pylist())) > 1:
        raise ValueError("lists of a sample differ in length")
    return values.reshape(len(lists), -1)
