{% macro check_vars() -%}
    {%- set _ = built_timeframes() -%}
    {{- check_number('fees_bps', minimum=0, maximum=10000) -}}
    {{- check_number('slippage_bps', minimum=0, maximum=10000) -}}
    {{- check_window('beta_window', minimum=3) -}}
    {{- check_number('halflife', minimum=1, is_whole=true) -}}
    {{- check_window('vol_window', minimum=2) -}}
    {{- check_number('vol_target', minimum=0.000001) -}}
    {{- check_number('risk_aversion', minimum=0) -}}
    {{- check_number('bootstrap_block_days', minimum=1, maximum=365, is_whole=true) -}}
    {{- check_number(
        'bootstrap_replicates', minimum=100, maximum=100000, is_whole=true
    ) -}}
    {{- check_number('bootstrap_seed', minimum=0, is_whole=true) -}}
    {{- check_number('max_basis_bps', minimum=0) -}}
    {{- check_number('max_jump_bps', minimum=0) -}}
    {{- check_number('max_price_ratio', minimum=1) -}}
    {{- check_number('equal_closes_chance', minimum=0, maximum=1) -}}
    {{- check_number('max_equal_closes_share', minimum=0, maximum=1) -}}
    {{- check_number('max_funding_rate', minimum=0) -}}
    {{- check_number('max_print_delay_s', minimum=0, maximum=1799, is_whole=true) -}}
    {%- set _ = as_of() -%}
{%- endmacro %}


{% macro check_number(name, minimum, maximum=none, is_whole=false) -%}
    {%- set value = var(name) -%}
    {#- NaN is a number to Jinja, and every comparison with it is false -#}
    {%- if value is not number or value is boolean or not value >= minimum
        or not value < 1e300 or (maximum is not none and value > maximum)
        or (is_whole and value is not integer) -%}
        {{- exceptions.raise_compiler_error(
            name ~ ' is ' ~ value ~ ': give a ' ~ ('whole ' if is_whole else '')
            ~ 'number from ' ~ minimum
            ~ (' to ' ~ maximum if maximum is not none else ' up') ~ '.'
        ) -}}
    {%- endif -%}
{%- endmacro %}


{% macro check_window(name, minimum) -%}
    {%- set value = window_var(name) -%}
    {%- set has_unit = value[-1:] in fromjson(window_units_ms()) -%}
    {%- set digits = value[:-1] if has_unit else value -%}
    {%- for timeframe in fromjson(built_timeframes()) -%}
        {%- if not digits.isdecimal() or rows_of_var(name, timeframe) | int < minimum -%}
            {{- exceptions.raise_compiler_error(
                name ~ ' is ' ~ value ~ ': give a whole number from ' ~ minimum
                ~ ' up, or a duration of as many bars of ' ~ timeframe
                ~ ', such as 30d or 12h.'
            ) -}}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
