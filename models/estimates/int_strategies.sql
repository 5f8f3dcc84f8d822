-- One row per timeframe and strategy, with the vars where its seed row leaves a parameter
-- empty. Key: timeframe, strategy.
{{ strategies_from(ref('hedge_strategies')) }}
