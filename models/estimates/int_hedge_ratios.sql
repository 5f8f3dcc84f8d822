-- One row per symbol, timeframe, strategy and bar, the next bar included: the ratio that
-- is fixed at the close before it. An undefined ratio keeps the last one (held), and is
-- NULL before the first (warmup): never 0. Key: symbol, timeframe, strategy, ts.
{{ hedge_ratios_of(ref('int_strategies')) }}
