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

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

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
# of ln(1 + net), where nothing is left
LEAST_GROWTH = 1e-300
# seconds for which another thread may keep Python's lock
TURN = 5e-5
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


def _struct(**fields: str) -> str:
    """Return a type of SQL: a list of structs."""
    return "struct(" + ", ".join(f"{name} {kind}" for name, kind in fields.items()) + ")[]"


# types of the arguments of sweep_walk and of what it returns
ARGUMENTS = (
    _struct(**dict.fromkeys(Bars._fields, "double")),
    "double[][]",
    _struct(series="bigint", band="double", every="bigint", min_trade="double"),
    "bigint[][]",
    "bigint",
    "double",
    "double",
)
RETURNS = _struct(**dict.fromkeys(FIGURES, "double"), deviations="double[]")


def held_coins(
    targets: Doubles, series: Integers, price_ratio: Doubles, rules: Rules
) -> Iterator[Doubles]:
    """Yield the perp coins that are held per coin of spot, by stretches of bars.

    The recursion: at the start of each bar the coins are worth coins * price_ratio. They are
    traded to target / price_ratio on the first bar, and where a chance to trade is due and the
    difference to the target is more than the band and at least min_trade.

    targets: hedge ratios, series by bars. series: the row of each strategy. Each stretch is a
    matrix of bars by strategies.
    """
    # one comparison for both: beyond the band, and no smaller than min_trade
    least = np.where(
        rules.min_trade > rules.band, np.nextafter(rules.min_trade, -np.inf), rules.band
    )
    is_always_due = bool((rules.every == 1).all())
    every = np.maximum(rules.every, 1)
    coins = np.zeros(len(series))
    distance = np.empty(len(series))
    is_traded = np.empty(len(series), dtype=bool)
    for start in range(0, targets.shape[1], STRETCH):
        target = targets[:, start : start + STRETCH].T.take(series, axis=1)
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
            np.greater(distance, bar_beyond, out=is_traded)
            np.copyto(held, coins)
            np.copyto(held, bar_wanted, where=is_traded)
            coins = held
        yield path


def walk(
    bars: Bars, targets: Doubles, series: Integers, rules: Rules, fee: float, net: Doubles
) -> dict[str, Doubles]:
    """Walk through the bars of a sample; return what each strategy carries to the end.

    targets: hedge ratios, series by bars, none of them missing.
    series: the row of targets that each strategy follows, from 0.
    fee: cost of a trade, a fraction of its notional.
    net: takes the net returns, bars by strategies.

    Returns the figures of FIGURES, an array of strategies each. Sums of returns are in fractions,
    turnover in multiples of the spot notional, `ratio` is the sum of the ratio's differences from
    the first target, `growth` the sum of ln(1 + net) and `growth_low` its deepest fall below its
    peak, `wealth` 1 plus the money result per start value and `wealth_low` its lowest share of its
    peak, `perp_pnl_low` the lowest running price result of the short, 0 at most.

    Raises ValueError where shapes differ or a target is missing.
    """
    length, strategies = targets.shape[1], len(series)
    if {len(values) for values in bars} != {length}:
        raise ValueError(f"{length} targets a series, but {len(bars.r_spot)} bars")
    if {len(values) for values in rules} != {strategies}:
        raise ValueError(f"{strategies} strategies, but {len(rules.band)} rules")
    if np.isnan(targets).any():
        raise ValueError("a target is missing")
    zero, one = np.zeros(strategies), np.ones(strategies)
    sums = {name: zero.copy() for name in FIGURES}
    sums["wealth"], sums["wealth_low"] = one, one.copy()
    sums["first_target"] = targets[series, 0]
    perp_pnl, growth_peak, wealth_peak = zero.copy(), zero.copy(), one.copy()
    coins_before = zero
    start = 0
    for coins in held_coins(targets, series, bars.price_ratio, rules):
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
        sums["net"] += r_net.sum(axis=0)
        sums["net_squares"] += np.multiply(r_net, r_net, out=work).sum(axis=0)

        perp = np.multiply(ratio, r_fut, out=work)
        price = np.subtract(r_spot, perp, out=trade)
        sums["price"] += price.sum(axis=0)
        sums["price_squares"] += np.multiply(price, price, out=price).sum(axis=0)
        perp *= -notional
        perp_pnl = _running_sum(perp, perp_pnl)
        np.minimum(sums["perp_pnl_low"], perp.min(axis=0), out=sums["perp_pnl_low"])

        ratio -= sums["first_target"]
        sums["ratio"] += ratio.sum(axis=0)
        sums["ratio_squares"] += np.multiply(ratio, ratio, out=ratio).sum(axis=0)

        growth = np.maximum(np.add(r_net, 1, out=work), LEAST_GROWTH, out=work)
        sums["growth"] = _running_sum(np.log(growth, out=growth), sums["growth"])
        growth_peak = _running_peak(growth, growth_peak, ratio)
        fall = np.subtract(growth, ratio, out=growth)
        np.minimum(sums["growth_low"], fall.min(axis=0), out=sums["growth_low"])

        wealth = np.multiply(r_net, notional, out=work)
        sums["wealth"] = _running_sum(wealth, sums["wealth"])
        wealth_peak = _running_peak(wealth, wealth_peak, ratio)
        share = np.divide(wealth, ratio, out=wealth)
        np.minimum(sums["wealth_low"], share.min(axis=0), out=sums["wealth_low"])
    return sums


# numpy's accumulate goes down the columns, and takes six times as long as these


def _running_sum(values: Doubles, before: Doubles) -> Doubles:
    """Add up values in place, bar by bar, from a sum before; return the last sums."""
    for value in values:
        before = np.add(before, value, out=value)
    return before.copy()


def _running_peak(values: Doubles, before: Doubles, peaks: Doubles) -> Doubles:
    """Write the highest of values so far to peaks, bar by bar; return the last."""
    for value, peak in zip(values, peaks, strict=True):
        before = np.maximum(before, value, out=peak)
    return before.copy()


def block_deviations(
    sums: Doubles, places: Integers, block_bars: int, risk_aversion: float
) -> Doubles:
    """Return how far each strategy's utility a bar strays in each replicate of the bootstrap.

    sums: net returns, bars by strategies, from the second row on, between one row and block_bars
    rows that are free. They become sums of blocks where they are, since the returns of a sample
    are a hundred megabytes.
    places: the first bars of the drawn blocks, from 1: replicates by blocks. After the last bar
    comes the first again, and the last block is cut so that a replicate has as many bars as the
    sample.
    block_bars: bars of a block.

    Returns an array of replicates by strategies, fractions a bar.

    A replicate's mean, and mean square around the sample's mean, are sums over blocks, and these
    are differences of running sums: the utility with that square in place of the variance needs
    one number a block. It leaves out risk_aversion / 2 of the squared deviation of the mean, which
    is of second order: of a deviation of 50 % a year, a ten thousandth at 1h.

    In SQL, over lists, the same takes 3 CPU seconds for 1,000 strategies of 11,439 bars and 1,000
    replicates of 69 blocks (list_sum(list_select(block_sums, places))), and here 0.15.
    """
    bars = len(sums) - block_bars - 1
    last_block_bars = bars - (places.shape[1] - 1) * block_bars
    # (r - m) - risk_aversion / 2 * (r - m) ^ 2, but for a constant
    gain = 1 + risk_aversion / bars * sums[1 : bars + 1].sum(axis=0)
    sums[0] = 0
    total = sums[0].copy()
    for start in range(1, bars + 1, STRETCH):
        scores = sums[start : min(start + STRETCH, bars + 1)]
        scores *= gain - risk_aversion / 2 * scores
        total = _running_sum(scores, total)
    np.add(sums[1 : block_bars + 1], total, out=sums[bars + 1 :])
    last = places[:, -1] - 1
    deviations: Doubles = sums[last + last_block_bars] - sums[last] - total
    for start in range(0, bars, block_bars):
        stop = min(start + block_bars, bars)
        blocks = sums[start:stop]
        np.subtract(sums[start + block_bars : stop + block_bars], blocks, out=blocks)
    for drawn, deviation in zip(places[:, :-1] - 1, deviations, strict=True):
        deviation += sums.take(drawn, axis=0).sum(axis=0)
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
    lists = (bars, targets, strategies, places)
    constants = (block_bars, fee, risk_aversion)
    with _short_turns():
        rows = [
            _walked(
                Bars(*(_numbers(of_bars.field(name)) for name in Bars._fields)),
                _matrix(of_series),
                _numbers(of_strategies.field("series")) - 1,
                Rules(*(_numbers(of_strategies.field(name)) for name in Rules._fields)),
                None if drawn is None else _matrix(drawn),
                *of_sample,
            )
            for of_bars, of_series, of_strategies, drawn, *of_sample in zip(
                *map(_lists, lists), *(column.to_pylist() for column in constants), strict=True
            )
        ]
    return _listed(pa.concat_arrays(rows), [len(row) for row in rows])


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """Let Python's threads take short turns.

    numpy hands on Python's lock in each call, and dbt's other threads would keep it for 5 ms: a
    walk of a second took three. Figures do not depend on it.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _walked(
    bars: Bars,
    targets: Doubles,
    series: Integers,
    rules: Rules,
    places: Integers | None,
    block_bars: int,
    fee: float,
    risk_aversion: float,
) -> pa.StructArray:
    """Return what the walks of a sample end with, walked in blocks of strategies."""
    length, strategies = targets.shape[1], len(series)
    width = max(1, min(strategies, MOST_STRATEGIES, MOST_CELLS // max(1, length)))
    figures = {name: np.empty(strategies) for name in FIGURES}
    deviations = np.empty((strategies, 0 if places is None else len(places)))
    # one for all blocks: to touch new memory takes as long as the bootstrap
    cells = np.empty((length + block_bars + 1) * width)
    for start in range(0, strategies, width):
        block = slice(start, start + width)
        of_block = Rules(rules.band[block], rules.every[block], rules.min_trade[block])
        columns = len(of_block.band)
        sums = cells[: (length + block_bars + 1) * columns].reshape(-1, columns)
        net = sums[1 : length + 1]
        for name, values in walk(bars, targets, series[block], of_block, fee, net).items():
            figures[name][block] = values
        if places is not None:
            found = block_deviations(sums, places, block_bars, risk_aversion)
            deviations[block] = found.T
    return pa.StructArray.from_arrays(
        [
            *map(_array, figures.values()),
            _listed(_array(deviations.ravel()), [deviations.shape[1]] * strategies),
        ],
        [*figures, "deviations"],
    )


# pyarrow imports pandas to make an array from numpy's or the other way round: a quarter of a
# second


def _numbers(array: pa.Array) -> npt.NDArray[Any]:
    """Return an array of numbers without copying it; raise ValueError where one is missing."""
    if array.null_count:
        raise ValueError(f"{array.null_count} of {len(array)} numbers are missing")
    return np.from_dlpack(array)


def _array(numbers: Doubles) -> pa.Array:
    """Return numbers as an Arrow array without copying them."""
    return pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(numbers)])


def _lists(column: pa.Array) -> Iterator[pa.Array | None]:
    """Yield the elements of each row of a column of lists, None for NULL; nothing is copied."""
    for chunk in getattr(column, "chunks", [column]):
        for row in chunk:
            yield row.values if row.is_valid else None


def _listed(values: pa.Array, lengths: list[int]) -> pa.ListArray:
    """Return values as lists of these lengths."""
    offsets = np.cumsum([0, *lengths], dtype=np.int32)
    return pa.ListArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), len(offsets), [None, pa.py_buffer(offsets)]), values
    )


def _matrix(lists: pa.ListArray) -> npt.NDArray[Any]:
    """Return lists of equal length as a matrix; raise ValueError where lengths differ."""
    if len(set(lists.value_lengths().to_pylist())) > 1:
        raise ValueError("lists of a sample differ in length")
    return _numbers(lists.flatten()).reshape(len(lists), -1)
