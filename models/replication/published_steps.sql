-- One row per step of the walk: the one setting that it changes, in words and as a
-- value; the others stay as the step before left them. Key: step.
with
steps as (
    select steps.*
    from (
        values
        (
            0, 'static', null, null,
            'A static β, OLS on the first 60 % of the rows; prices alone',
            'Told as in-sample: most rows are scored with a β that they made'
        ),
        (
            1, 'rolling', 'beta', 'rolling',
            'A rolling β over the 200 rows that end at the bar; static in its warm-up',
            'No look-ahead: frames end one row before the bar'
        ),
        (
            2, 'unhedged_warmup', 'warmup', 'unhedged',
            'The warm-up has no hedge, and is scored all the same',
            'One sample: warm-up is reported, never shown as unhedged'
        ),
        (
            3, 'scaling', 'scaling', 'published',
            'β shrinks where volatility, with the bar in its own window, is above 50 %',
            'No look-ahead; and a scaled hedge is a partial one, never the default'
        ),
        (
            4, 'funding', 'funding', 'received',
            'The short receives the last print, an eighth of it each hour',
            'None: over 8 hours a print accrues the same here'
        ),
        (
            5, 'costs', 'costs', 'published',
            'Costs: 6 bp of each change of β, 2 bp on the first and the last row',
            'Every trade is paid at one rate, the entry and what prices let drift too'
        ),
        (
            6, 'published', 'hedged_rows', 'until_last_print',
            'The hedged variance stops at the last print, the spot variance does not',
            'One sample: every figure is of the same bars'
        ),
        (
            7, 'same_rows', 'hedged_rows', 'all',
            'Both variances are of the same rows, all of them',
            'One sample'
        ),
        (
            8, 'no_warmup', 'warmup', 'left_out',
            'The warm-up is left out of both',
            'One sample'
        ),
        (
            9, 'no_look_ahead', 'frame', 'before_the_bar',
            'β and volatility come from the rows before the bar',
            'No look-ahead'
        ),
        (
            10, 'whole_year', 'days_per_year', '365',
            'The target of 50 % a year is of 365 days, not 252',
            'Units: crypto never closes'
        ),
        (
            11, 'no_guards', 'scaling', 'own',
            'The scale is target / volatility: no 1e-8 in it, no clip at 3',
            'What is not known is NULL: no constant covers it'
        ),
        (
            12, 'own_window', 'beta', 'own_window',
            'β has a frame of {{ rows_of_var("beta_window", "1h") }} rows',
            'The default of beta_window, so its warm-up, too'
        ),
        (
            13, 'simple_returns', 'returns_kind', 'simple',
            'Returns are simple, not logarithmic',
            'Units: a sum of spot and hedge is money only in simple returns'
        ),
        (
            14, 'own_fees', 'costs', 'own',
            'Fees: {{ var("fees_bps") }} bp of each trade, entry and drift included',
            'Every trade is paid'
        ),
        (
            15, 'vol_scaled', 'strategy', 'vol_scaled',
            'vol_scaled by the models of this project: the same without gaps',
            'Every rule'
        ),
        (
            16, 'rolling_ols', 'strategy', 'rolling_ols',
            'No scaling: rolling_ols, the default of this project',
            'Every rule'
        ),
        (
            17, 'naive', 'strategy', 'naive',
            'No estimate at all: naive, a ratio of 1',
            'Every rule'
        )
    ) as steps (step, name, setting, value, rule, project_rule)
)

select
    step,
    name,
    rule,
    project_rule,
    {%- for setting, start in {
        'beta': 'static',
        'warmup': 'static',
        'scaling': 'none',
        'frame': 'with_the_bar',
        'days_per_year': '252',
        'funding': 'none',
        'costs': 'none',
        'hedged_rows': 'all',
        'returns_kind': 'log',
    }.items() %}
    coalesce(
        {{ last_known(
            "case when setting = '" ~ setting ~ "' then value end",
            partition_by='true', order_by='step'
        ) }},
        '{{ start }}'
    ) as {{ setting }},
    {%- endfor %}
    case when setting = 'strategy' then value end as strategy
from steps
