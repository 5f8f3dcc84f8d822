"""Intervals and verdicts: right in every digit, as sure as they say, and honest about chance.

The models' own SQL, as dbt compiles it, runs on invented returns; resampling is done anew in
numpy, row by row, from the same uniforms.
"""

from __future__ import annotations

import hashlib
import json

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from scripts import inputs
from scripts.project import InputError, default_vars
from tests.conftest import Project

MODELS = [
    "int_strategies",
    "int_series",
    "int_moments",
    "hedge_metrics",
    "int_bootstrap_replicates",
    "hedge_intervals",
    "hedge_verdict",
]
# row_index of the first evaluated bar
START_ROW = 4
# what the vars are by default
BLOCK_DAYS, REPLICATES, SEED, RISK_AVERSION, FEES = 7, 1000, 1, 3, 1e-4
BARS_PER_DAY = {"5m": 288, "1h": 24, "4h": 6, "1d": 1}
SCORES = ["variance_reduction", "sharpe", "sharpe_long_run", "utility"]
DIFFERENCES = ["variance_reduction_vs_naive", "sharpe_vs_naive", "utility_vs_benchmark"]

# columns of a series; ratio 1 and no trade unless given
Series = dict[str, np.ndarray | float]
# symbol, strategy: series
Sample = dict[tuple[str, str], Series]


def compile_models(project: Project, name: str, **dbt_vars: object) -> dict[str, str]:
    """Return the models' SQL for all bar sizes: a block's length is one of each that is built."""
    folder = project.root / "target" / name
    done = project.dbt(
        "compile",
        "--select",
        *MODELS,
        "--target-path",
        str(folder),
        "--vars",
        json.dumps(dbt_vars | {"timeframe": list(BARS_PER_DAY)}),
    )
    assert done.returncode == 0, done.stdout
    return {path.stem: path.read_text() for path in folder.rglob("*.sql")}


@pytest.fixture(scope="module")
def models(project: Project) -> dict[str, str]:
    """The models' SQL with the default vars."""
    return compile_models(project, "uncertainty")


@pytest.fixture(scope="module")
def models_without_perp(project: Project) -> dict[str, str]:
    """The same without a perp, and with other draws."""
    return compile_models(project, "without_perp", perp="", bootstrap_seed=2)


class Market:
    """A database with invented returns, on which models are built."""

    def __init__(
        self, models: dict[str, str], sample: Sample, timeframe: str, **estimators: str
    ) -> None:
        self.models, self.timeframe = models, timeframe
        self.connection = duckdb.connect()
        self.connection.execute("attach ':memory:' as hedge")
        self.connection.execute("use hedge")
        frames = []
        for (symbol, strategy), series in sample.items():
            n = len(series["r_spot"])
            columns = {"hedge_ratio": 1.0, "trade": 0.0, "funding_rate": 0.0} | series
            frames.append(
                pd.DataFrame(
                    {
                        "symbol": symbol,
                        "strategy": strategy,
                        "row_index": START_ROW + np.arange(n),
                        **{name: np.broadcast_to(values, n) for name, values in columns.items()},
                    }
                )
            )
        self.connection.register("frame", pd.concat(frames))
        self.connection.execute(
            "create table returns as select *, dense_rank() over (order by symbol) as market"
            " from frame"
        )
        self.connection.execute(
            "create table int_samples as select market, symbol, $timeframe as timeframe,"
            " $periods as periods_per_year, $start_row as start_row,"
            " max(row_index) as end_row, count(distinct row_index) as evaluated_bars,"
            " sum(funding_rate) / count(distinct strategy) as funding_total"
            " from returns group by all",
            {
                "timeframe": timeframe,
                "periods": 365.0 * BARS_PER_DAY[timeframe],
                "start_row": START_ROW,
            },
        )
        # a warm-up and the next bar, which are no part of the sample
        self.connection.execute(
            "create table int_merged_bars as select distinct market, row_index, r_spot,"
            " r_spot as r_fut, funding_rate, 1.0 as previous_close_spot, false as is_next_bar"
            " from returns"
            " union all select market, unnest(range(1, start_row)), 0.5, 0.5, 0.5, 1.0, false"
            " from int_samples"
            " union all select market, end_row + 1, null, null, null, 1.0, true from int_samples"
        )
        self.strategies({strategy: estimators.get(strategy, "rolling") for _, strategy in sample})
        self.build("int_series")
        self.connection.execute(
            "create table int_positions as select series, row_index, hedge_ratio, trade, r_net,"
            " null::double as cum_log_return, null::double as drawdown, null::double as wealth,"
            " null::double as pnl_drawdown, null::double as perp_pnl"
            " from returns join int_series using (market, strategy)"
            " union all select series, end_row + 1, 1.0, 0.5, null, null, null, null, null, null"
            " from int_series order by series, row_index"
        )
        self.build("int_moments", "hedge_metrics")

    def strategies(self, estimators: dict[str, str]) -> None:
        """Build int_strategies for strategies and their estimators."""
        seed = pd.DataFrame({"strategy": estimators.keys(), "estimator": estimators.values()})
        self.connection.register("seed", seed)
        self.connection.execute(
            "create or replace table hedge_strategies as select *, null::boolean as is_vol_scaled,"
            " null::varchar as beta_window, null::varchar as vol_window,"
            " null::double as vol_target, null::double as rebalance_band,"
            " null::integer as rebalance_every, null::double as min_trade,"
            " null::integer as halflife, null::boolean as is_vol_budget from seed"
        )
        self.build("int_strategies")

    def build(self, *names: str) -> Market:
        """Build models, as dbt would."""
        for name in names:
            self.connection.execute(f"create or replace table {name} as {self.models[name]}")
        return self

    def rows(self, query: str) -> pd.DataFrame:
        """Return the rows of a query."""
        return self.connection.execute(query).fetchdf()

    def replicates(self, symbol: str, strategy: str) -> pd.DataFrame:
        """Return the replicates of a strategy, the sample itself first."""
        return (
            self.rows(
                "from int_bootstrap_replicates join int_series using (series) order by replicate"
            )
            .query("symbol == @symbol and strategy == @strategy")
            .set_index("replicate")
        )

    def intervals(self) -> pd.DataFrame:
        """Return hedge_intervals by symbol, strategy and metric."""
        self.build("int_bootstrap_replicates", "hedge_intervals")
        return (
            self.rows("from hedge_intervals")
            .set_index(["symbol", "strategy", "metric"])
            .sort_index()
        )

    def verdicts(self) -> pd.DataFrame:
        """Return hedge_verdict by symbol."""
        self.build("int_bootstrap_replicates", "hedge_intervals", "hedge_verdict")
        return self.rows("from hedge_verdict").set_index("symbol").sort_index()


def uniform(replicate: int, block: int) -> float:
    """Return the uniform of a block of a replicate."""
    digest = hashlib.md5(f"{SEED}:{replicate}:{block}".encode()).hexdigest()
    return int(digest[:13], 16) / 2**52


def drawn_rows(bars: int, block_bars: int, replicate: int) -> np.ndarray:
    """Return the places of the rows that a replicate draws, block by block."""
    places: list[int] = []
    block = 0
    while len(places) < bars:
        block += 1
        start = int(np.floor(uniform(replicate, block) * bars))
        places += [(start + step) % bars for step in range(block_bars)]
    return np.array(places[:bars])


def random_sample(bars: int, seed: int, *strategies: str) -> Sample:
    """Return a sample with spot of 1 % a bar and hedges of 1 bp a bar, far from a mean of 0."""
    random = np.random.default_rng(seed)
    spot = random.normal(0.0001, 0.01, bars)
    return {
        ("X", name): {"r_spot": spot, "r_net": random.normal(1e-3, 1e-4, bars)}
        for name in strategies
    }


# --- the replicates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeframe", "bars"), [("1d", 70), ("1d", 103), ("4h", 421), ("1h", 2000)]
)
def test_replicates_equal_resampled_rows(models: dict[str, str], timeframe: str, bars: int) -> None:
    """Whole blocks alone, a last block of one bar, and one in between."""
    sample = random_sample(bars, 1, "naive", "other")
    market = Market(models, sample, timeframe).build("int_bootstrap_replicates")
    block_bars = BLOCK_DAYS * BARS_PER_DAY[timeframe]
    rows = [np.arange(bars)]
    rows += [drawn_rows(bars, block_bars, replicate) for replicate in range(1, REPLICATES + 1)]
    for (_, strategy), series in sample.items():
        found = market.replicates("X", strategy)
        assert found.index.tolist() == list(range(REPLICATES + 1))
        assert (found["blocks"] == bars / block_bars).all()
        net, spot = series["r_net"][np.array(rows)], series["r_spot"][np.array(rows)]
        for column, expected in {
            "mean_net": net.mean(axis=1),
            "var_net": net.var(axis=1, ddof=1),
            "var_spot": spot.var(axis=1, ddof=1),
        }.items():
            np.testing.assert_allclose(found[column], expected, rtol=1e-9, atol=0)


def test_variances_stay_exact_over_a_hundred_thousand_rows(models: dict[str, str]) -> None:
    bars = 100_001
    sample = random_sample(bars, 2, "naive")
    found = Market(models, sample, "5m").build("int_bootstrap_replicates").replicates("X", "naive")
    net = sample["X", "naive"]["r_net"]
    for replicate in (1, 2, 500, 1000):
        drawn = net[drawn_rows(bars, BLOCK_DAYS * 288, replicate)]
        assert found["var_net"][replicate] == pytest.approx(drawn.var(ddof=1), rel=1e-9)
        assert found["mean_net"][replicate] == pytest.approx(drawn.mean(), rel=1e-9)


def test_strategies_take_the_same_blocks_and_symbols_do_not_matter(models: dict[str, str]) -> None:
    sample = random_sample(300, 3, "naive", "other")
    base = sample["X", "naive"]
    sample["X", "doubled"] = base | {"r_net": 2 * base["r_net"]}
    alone = Market(models, sample, "1d").build("int_bootstrap_replicates")
    naive, doubled = alone.replicates("X", "naive"), alone.replicates("X", "doubled")
    np.testing.assert_allclose(doubled["mean_net"], 2 * naive["mean_net"], rtol=1e-12)
    np.testing.assert_allclose(doubled["var_spot"], naive["var_spot"], rtol=1e-12)

    more = random_sample(900, 4, "naive")
    crowd = {("W", "naive"): more["X", "naive"]} | sample
    joined = Market(models, crowd, "1d").build("int_bootstrap_replicates").replicates("X", "naive")
    np.testing.assert_allclose(joined["mean_net"], naive["mean_net"], rtol=1e-12)


def test_everybody_gets_the_same_intervals(models: dict[str, str]) -> None:
    sample = random_sample(2500, 5, "naive", "other", "third")
    first, second = (Market(models, sample, "1h").intervals() for _ in range(2))
    columns = ["estimate", "ci_low", "ci_high", "std_error"]
    np.testing.assert_allclose(first[columns], second[columns], rtol=1e-9, atol=1e-15)


def test_another_seed_draws_other_blocks(
    models: dict[str, str], models_without_perp: dict[str, str]
) -> None:
    sample = random_sample(300, 6, "naive")
    one, two = (
        Market(sql, sample, "1d").build("int_bootstrap_replicates").replicates("X", "naive")
        for sql in (models, models_without_perp)
    )
    assert one["var_spot"][0] == two["var_spot"][0]
    assert (one["var_spot"][1:] != two["var_spot"][1:]).all()


# --- the intervals ----------------------------------------------------------------------


def assert_no_interval(intervals: pd.DataFrame) -> None:
    """Assert that there are rows, and that none has an interval."""
    assert len(intervals)
    assert intervals[["ci_low", "ci_high", "std_error"]].isna().all(axis=None)


def test_long_run_sharpe_equals_statsmodels(models: dict[str, str]) -> None:
    """The t value of the mean with a Newey-West covariance, brought to a year."""
    bars, lags = 1500, BLOCK_DAYS * BARS_PER_DAY["4h"]
    random = np.random.default_rng(7)
    spot, noise = random.normal(0, 0.01, (2, bars))
    net = 1e-4 + 1e-3 * np.convolve(noise, np.ones(12), "same")
    found = Market(models, {("X", "naive"): {"r_spot": spot, "r_net": net}}, "4h").intervals()
    hac = sm.OLS(net, np.ones(bars)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    expected = float(hac.tvalues[0]) * np.sqrt(365 * 6 / bars)
    row = found.loc["X", "naive", "sharpe_long_run"]
    assert row["estimate"] == pytest.approx(expected, rel=1e-9)
    assert row["ci_low"] < expected < row["ci_high"]
    # the sums of twelve bars make the plain figure look better than it is
    assert expected < 0.4 * found.loc["X", "naive", "sharpe"]["estimate"]


@pytest.mark.parametrize("blocks", [10, 30, 68])
def test_critical_values_allow_for_an_estimated_error(models: dict[str, str], blocks: int) -> None:
    """Student's with 1.5 degrees a block, and near Kiefer and Vogelsang's (2005) polynomial."""
    bars = blocks * BLOCK_DAYS
    row = (
        Market(models, random_sample(bars, 7, "naive"), "1d")
        .intervals()
        .loc["X", "naive", "utility"]
    )
    found = (row["ci_high"] - row["ci_low"]) / 2 / row["std_error"]
    student = stats.t.ppf(0.975, 1.5 * blocks) * np.sqrt(blocks / (blocks - 1))
    assert found == pytest.approx(student, rel=1e-3)
    b = 1 / blocks
    fixed_b = 1.9600 + 2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3
    assert found == pytest.approx(fixed_b, rel=0.01)


def simulated(
    series: int, blocks: int, persistence: float, tail: float
) -> tuple[Sample, dict[tuple[str, str], float]]:
    """Return series at 4h of a hedge and a partial one, and what their figures really are.

    Spot is noise, the basis noise that comes back, carry an AR(1); shocks are Student's with
    tail degrees of freedom, or normal for 0.
    """
    random = np.random.default_rng(2)
    bars, per_year = blocks * BLOCK_DAYS * 6, 365 * 6
    var_spot, var_basis, var_carry, drift, carry_mean = 1e-4, 1e-8, 3.6e-9, 1e-4, 3e-5

    def shocks(*shape: int) -> np.ndarray:
        if not tail:
            return random.standard_normal(shape)
        return random.standard_t(tail, shape) / np.sqrt(tail / (tail - 2))

    spot = drift + np.sqrt(var_spot) * shocks(series, bars)
    basis_move = np.diff(np.sqrt(var_basis) * shocks(series, bars + 1), axis=1)
    carry = random.standard_normal((series, bars))
    for bar in range(1, bars):
        carry[:, bar] = (
            persistence * carry[:, bar - 1] + np.sqrt(1 - persistence**2) * carry[:, bar]
        )
    carry = carry_mean + np.sqrt(var_carry) * carry

    sample: Sample = {}
    truth: dict[tuple[str, str], float] = {}
    for strategy, ratio in (("naive", 1.0), ("partial", 0.9)):
        net = (1 - ratio) * spot - ratio * basis_move + ratio * carry
        mean = (1 - ratio) * drift + ratio * carry_mean
        variance = (1 - ratio) ** 2 * var_spot + ratio**2 * (2 * var_basis + var_carry)
        # basis moves cancel in the long run
        long_run = (1 - ratio) ** 2 * var_spot + (
            ratio**2 * var_carry * (1 + persistence) / (1 - persistence)
        )
        truth |= {
            (strategy, "variance_reduction"): 1 - variance / var_spot,
            (strategy, "sharpe"): mean / np.sqrt(variance) * np.sqrt(per_year),
            (strategy, "sharpe_long_run"): mean / np.sqrt(long_run) * np.sqrt(per_year),
            (strategy, "utility"): per_year * (mean - RISK_AVERSION / 2 * variance),
        }
        for number in range(series):
            sample[f"S{number}", strategy] = {"r_spot": spot[number], "r_net": net[number]}
    for difference in DIFFERENCES:
        score = difference.split("_vs_")[0]
        truth["partial", difference] = truth["partial", score] - truth["naive", score]
    return sample, truth


@pytest.mark.parametrize(
    ("blocks", "tail"),
    [(30, 6), (10, 0)],
    ids=["thirty blocks, fat tails", "as few blocks as there may be"],
)
def test_intervals_cover_as_often_as_they_say(
    models: dict[str, str], blocks: int, tail: float
) -> None:
    """Carry that follows itself from print to print as that of BNB and DOGE does (0.49)."""
    series = 500
    sample, truth = simulated(series, blocks, persistence=0.7, tail=tail)
    found = Market(models, sample, "4h").intervals().reset_index()
    share = {}
    for (strategy, metric), value in truth.items():
        rows = found.query("strategy == @strategy and metric == @metric")
        assert len(rows) == series
        share[strategy, metric] = rows["ci_low"].le(value).mul(rows["ci_high"].ge(value)).mean()
    assert len(share) == 2 * len(SCORES) + len(DIFFERENCES)
    assert {key: value for key, value in share.items() if not 0.92 <= value <= 0.98} == {}


def test_few_blocks_give_figures_without_intervals(models: dict[str, str]) -> None:
    market = Market(models, random_sample(69, 8, "naive", "other"), "1d")
    intervals, verdicts = market.intervals(), market.verdicts()
    assert_no_interval(intervals)
    known = intervals["estimate"].notna().groupby("metric").all()
    assert known[known].index.tolist() == sorted({*SCORES, *DIFFERENCES} - {"sharpe_long_run"})
    assert verdicts["verdict"]["X"] == "X 1d: not enough data: 69 days, and a verdict needs 70"
    assert verdicts[["delta_utility", "ci_low", "is_replaced"]].isna().all(axis=None)


def test_a_single_bar_has_no_figure(models: dict[str, str]) -> None:
    market = Market(models, random_sample(1, 9, "naive", "other"), "1d")
    intervals = market.intervals()
    assert_no_interval(intervals)
    assert intervals["estimate"].isna().all()
    assert market.verdicts()["verdict"]["X"].startswith("X 1d: not enough data: 1 day,")


@pytest.mark.parametrize("net", [0.0, 0.1, 1 / 3])
def test_returns_that_never_vary_are_null_not_nan(models: dict[str, str], net: float) -> None:
    spot = np.random.default_rng(10).normal(0, 0.01, 150)
    sample: Sample = {
        ("X", "naive"): {"r_spot": spot, "r_net": np.full(150, net)},
        ("X", "other"): {"r_spot": spot, "r_net": np.full(150, net)},
        ("FLAT", "naive"): {"r_spot": np.zeros(150), "r_net": np.zeros(150)},
        ("FLAT", "other"): {"r_spot": np.zeros(150), "r_net": np.zeros(150)},
    }
    market = Market(models, sample, "1d")
    intervals = market.intervals()
    assert not np.isinf(intervals.select_dtypes("number")).any(axis=None)
    # fetchdf would turn NaN and NULL into one
    assert market.rows(
        "from hedge_intervals where isnan(estimate) or isnan(ci_low) or isnan(std_error)"
    ).empty
    assert_no_interval(intervals.query("metric in ('sharpe', 'sharpe_long_run')"))
    assert intervals.loc[("X", "naive", "variance_reduction"), "estimate"] == pytest.approx(1)
    assert pd.isna(intervals.loc[("FLAT", "naive", "variance_reduction"), "estimate"])
    verdicts = market.verdicts()["verdict"]
    assert verdicts["X"] == "X 1d: no verdict: no strategy differs from naive"
    assert verdicts["FLAT"] == "FLAT 1d: no verdict: no strategy differs from naive"


def test_without_a_perp_the_risk_of_a_hedge_is_not_known(
    models_without_perp: dict[str, str],
) -> None:
    sample = random_sample(200, 11, "naive", "other")
    sample["X", "unhedged"] = sample["X", "naive"] | {"r_net": sample["X", "naive"]["r_spot"]}
    market = Market(models_without_perp, sample, "1d", unhedged="none")
    intervals = market.intervals()
    hedges = intervals.query("strategy != 'unhedged'")
    assert_no_interval(hedges)
    assert hedges["estimate"].isna().all()
    unhedged = intervals.loc["X", "unhedged"]
    assert unhedged["estimate"][SCORES].notna().all()
    assert unhedged["ci_low"][SCORES].notna().all()
    assert unhedged["estimate"][DIFFERENCES].isna().all()
    verdict = market.verdicts().loc["X"]
    assert verdict["verdict"].startswith("X 1d: no verdict without a perp")
    assert verdict[["is_replaced", "break_even_funding_rate"]].isna().all()


# --- the verdict ------------------------------------------------------------------------


def hedges(bars: int, seed: int, **extra: tuple[float, float]) -> Sample:
    """Return naive_hold, which earns 1 bp a bar, and strategies that earn more: mean, noise."""
    random = np.random.default_rng(seed)
    spot = random.normal(0, 0.02, bars)
    base = 1e-4 + random.normal(0, 1e-3, bars)
    sample: Sample = {("X", "naive_hold"): {"r_spot": spot, "r_net": base}}
    for strategy, (more, noise) in extra.items():
        sample["X", strategy] = {
            "r_spot": spot,
            "r_net": base + more + random.normal(0, noise, bars),
        }
    return sample


def test_what_is_clearly_better_replaces_the_benchmark(models: dict[str, str]) -> None:
    sample = hedges(400, 12, better=(1e-4, 2e-4), wild=(3e-4, 2e-2), naive=(0, 1e-5))
    verdict = Market(models, sample, "1d").verdicts().loc["X"]
    assert verdict["benchmark"] == "naive_hold"
    assert (verdict["best_strategy"], verdict["is_replaced"]) == ("better", True)
    assert verdict["strategies_tried"] == 3
    assert 0 < verdict["ci_low"] < verdict["delta_utility"] < verdict["ci_high"]
    gain, low, high = (
        f"{round(100 * verdict[name], 2):+} %" for name in ("delta_utility", "ci_low", "ci_high")
    )
    assert verdict["verdict"] == (
        f"X 1d: better replaces naive_hold (ΔU {gain} a year, adjusted 95 % interval"
        f" {low} to {high})"
    )


def test_what_is_not_clearly_better_leaves_a_ratio_of_one(models: dict[str, str]) -> None:
    sample = hedges(400, 13, rolling_ols=(1e-6, 2e-4), worse=(-1e-3, 2e-4))
    verdict = Market(models, sample, "1d").verdicts().loc["X"]
    assert not verdict["is_replaced"]
    assert verdict["best_strategy"] == "rolling_ols"
    assert verdict["ci_low"] < 0
    assert verdict["verdict"].startswith(
        "X 1d: β = 1 held from entry is enough: no strategy beats it beyond chance"
        " (best rolling_ols, ΔU "
    )


def test_naive_is_the_benchmark_where_nothing_is_held(models: dict[str, str]) -> None:
    sample = {
        (symbol, "naive" if strategy == "naive_hold" else strategy): series
        for (symbol, strategy), series in hedges(400, 14, other=(0, 1e-4)).items()
    }
    verdict = Market(models, sample, "1d").verdicts().loc["X"]
    assert verdict["benchmark"] == "naive"
    assert verdict["verdict"].startswith("X 1d: β = 1 at every bar is enough")


def test_a_ratio_that_knows_the_sample_replaces_nothing(models: dict[str, str]) -> None:
    sample = hedges(400, 15, static_ols=(1e-3, 1e-5))
    verdict = Market(models, sample, "1d", static_ols="static").verdicts().loc["X"]
    assert verdict["verdict"] == "X 1d: no verdict: no strategy differs from naive_hold"


def test_without_a_ratio_of_one_there_is_no_verdict(models: dict[str, str]) -> None:
    sample = {
        key: series
        for key, series in hedges(400, 16, other=(0, 1e-4)).items()
        if key[1] != "naive_hold"
    }
    verdict = Market(models, sample, "1d").verdicts().loc["X"]
    assert verdict["verdict"] == (
        "X 1d: no verdict: no strategy holds a ratio of 1 to compare with"
    )


def test_more_strategies_widen_the_interval(models: dict[str, str]) -> None:
    few = hedges(400, 17, better=(1e-4, 5e-4))
    spot, base = few["X", "naive_hold"]["r_spot"], few["X", "naive_hold"]["r_net"]
    noise = np.random.default_rng(18).normal(-1e-4, 5e-4, (50, 400))
    many = few | {
        ("X", f"noise{number}"): {"r_spot": spot, "r_net": base + row}
        for number, row in enumerate(noise)
    }
    alone, crowd = (Market(models, sample, "1d").verdicts().loc["X"] for sample in (few, many))
    assert alone["best_strategy"] == crowd["best_strategy"] == "better"
    assert alone["delta_utility"] == pytest.approx(crowd["delta_utility"], rel=1e-9)
    wider = (crowd["ci_high"] - crowd["ci_low"]) / (alone["ci_high"] - alone["ci_low"])
    # of 51 independent normals the largest stays below 3.3, of one below 1.96
    assert 1.5 < wider < 2


def test_noise_rarely_replaces_the_benchmark(models: dict[str, str]) -> None:
    """200 strategies that differ by chance: one trial in 20 has some beyond its interval.

    Replicates and errors are numpy's, which the models' equal to 1e-9. A trial counts also
    where its mirror image does, since only gains replace.
    """
    trials, tried, bars, replicates = 100, 200, 30 * BLOCK_DAYS, 200
    random = np.random.default_rng(19)
    weights = np.zeros((replicates + 1, bars))
    weights[0] = 1 / bars
    for replicate in range(1, replicates + 1):
        places, counts = np.unique(drawn_rows(bars, BLOCK_DAYS, replicate), return_counts=True)
        weights[replicate, places] = counts / bars
    market = Market(models, random_sample(bars, 19, "naive"), "1d")
    market.strategies(dict.fromkeys(["naive", *(f"noise{i}" for i in range(1, tried))], "rolling"))
    market.build("int_bootstrap_replicates", "hedge_intervals")
    for table in (
        "int_samples",
        "int_series",
        "int_moments",
        "hedge_metrics",
        "int_bootstrap_replicates",
        "hedge_intervals",
    ):
        market.connection.execute(f"delete from {table}")
    number = np.arange(tried)
    name = "case when number = 0 then 'naive' else 'noise' || number end as strategy"
    for trial in range(trials):
        noise = 1e-4 * random.standard_t(6, (tried, bars))
        noise[0] = 0
        for side, sign in (("up", 1), ("down", -1)):
            net = 1e-4 + sign * noise
            mean = weights @ net.T
            variance = weights @ (net**2).T - mean**2
            gain = 365 * (mean - RISK_AVERSION / 2 * variance)
            gain = gain[:, 1:] - gain[:, :1]
            market.connection.register(
                "drawn",
                pd.DataFrame(
                    {
                        "replicate": np.repeat(np.arange(replicates + 1), tried),
                        "number": np.tile(number, replicates + 1),
                        "mean_net": mean.ravel(),
                        "var_net": variance.ravel(),
                    }
                ),
            )
            market.connection.register(
                "judged",
                pd.DataFrame(
                    {
                        "number": number[1:],
                        "estimate": gain[0],
                        "std_error": gain[1:].std(axis=0, ddof=1),
                    }
                ),
            )
            symbol = f"{trial}{side}"
            (place,) = market.connection.execute(
                "insert into int_samples by name select count(*) + 1 as market, $1 as symbol,"
                " '1d' as timeframe, 365.0 as periods_per_year, $2 as evaluated_bars,"
                " 0.0 as funding_total from int_samples returning market",
                [symbol, bars],
            ).fetchone()
            market.connection.execute(
                f"insert into int_series by name select $1 * {tried} + number as series,"
                f" $1 as market, $2 as symbol, '1d' as timeframe, {name}"
                f" from range({tried}) as numbers (number)",
                [place, symbol],
            )
            market.connection.execute(
                f"insert into int_bootstrap_replicates by name select $1 * {tried} + number"
                " as series, replicate, 30 as blocks, mean_net, var_net from drawn",
                [place],
            )
            market.connection.execute(
                f"insert into hedge_intervals by name select $1 as symbol, '1d' as timeframe,"
                f" {name}, 'utility_vs_benchmark' as metric, estimate, std_error from judged",
                [symbol],
            )
    market.connection.execute(
        "insert into hedge_metrics by name select symbol, timeframe, strategy, 0.0 as turnover"
        " from int_series"
    )
    market.connection.execute(
        "insert into int_moments by name select series, 1.0 as hedge_ratio_mean,"
        " 0.0 as mean_net, 0.0 as mean_unhedged from int_series where strategy = 'naive'"
    )
    verdicts = market.build("hedge_verdict").rows("from hedge_verdict")
    assert len(verdicts) == 2 * trials
    assert (verdicts["strategies_tried"] == tried - 1).all()
    trial = verdicts["symbol"].str.extract(r"(\d+)")[0]
    false_alarms = verdicts.groupby(trial)["is_replaced"].any().mean()
    assert 0.01 <= false_alarms <= 0.10


def test_at_the_break_even_fee_nothing_is_gained(models: dict[str, str]) -> None:
    sample = hedges(400, 20, better=(2e-4, 1e-5))
    random = np.random.default_rng(21)
    trades = {"naive_hold": np.zeros(400), "better": random.exponential(0.02, 400)}

    def judged(fee: float) -> pd.Series:
        paid = {
            (symbol, strategy): series
            | {"trade": trades[strategy], "r_net": series["r_net"] - fee * trades[strategy]}
            for (symbol, strategy), series in sample.items()
        }
        return Market(models, paid, "1d").verdicts().loc["X"]

    found = judged(FEES)
    assert found["delta_utility"] > 0
    assert 10 < found["break_even_fee_bps"] < 1000
    at_break_even = judged(found["break_even_fee_bps"] / 1e4)
    assert abs(at_break_even["delta_utility"]) < 0.01 * found["delta_utility"]


@pytest.mark.parametrize(
    ("more", "trade"), [(2e-4, 0.0), (-2e-4, 0.001)], ids=["trades no more", "loses for free"]
)
def test_no_fee_breaks_even(models: dict[str, str], more: float, trade: float) -> None:
    sample = hedges(400, 22, other=(more, 1e-5))
    sample["X", "other"] |= {"trade": np.full(400, trade)}
    assert pd.isna(Market(models, sample, "1d").verdicts().loc["X"]["break_even_fee_bps"])


def test_break_even_funding_rates(models: dict[str, str]) -> None:
    """Funding moved to them, the hedge earns 0 beside price moves, or as much U as none."""
    bars, ratio = 400, 0.8
    random = np.random.default_rng(23)
    spot = random.normal(1e-3, 0.02, bars)
    moved_apart, funding = random.normal(0, 1e-3, (2, bars))

    def judged(shift: float) -> tuple[pd.Series, np.ndarray]:
        rate = funding + shift
        net = spot - ratio * (spot + moved_apart) + ratio * rate
        sample: Sample = {
            ("X", "naive"): {
                "r_spot": spot,
                "r_net": net,
                "hedge_ratio": ratio,
                "funding_rate": rate,
            },
            ("X", "other"): {
                "r_spot": spot,
                "r_net": 0.9 * net,
                "hedge_ratio": ratio,
                "funding_rate": rate,
            },
        }
        return Market(models, sample, "1d").verdicts().loc["X"], net

    def utility(returns: np.ndarray) -> float:
        return 365 * (returns.mean() - RISK_AVERSION / 2 * returns.var(ddof=1))

    found, _ = judged(0)
    # a day has three times 8 hours
    assert found["mean_funding_rate"] == pytest.approx(funding.mean() / 3, rel=1e-9)
    _, net = judged(3 * (found["break_even_funding_rate"] - found["mean_funding_rate"]))
    assert (net - (1 - ratio) * spot).mean() == pytest.approx(0, abs=1e-15)
    _, net = judged(3 * (found["indifferent_funding_rate"] - found["mean_funding_rate"]))
    assert utility(net) == pytest.approx(utility(spot), abs=1e-12)


# --- the vars ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("risk_aversion", -1),
        ("risk_aversion", float("nan")),
        ("bootstrap_block_days", 0),
        ("bootstrap_block_days", 1.5),
        ("bootstrap_replicates", 99),
        ("bootstrap_seed", "one"),
    ],
)
def test_vars_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}: give a"):
        inputs.check(default_vars() | {name: value})
