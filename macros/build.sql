{#- When this build began, naive UTC: the same instant in every model of it. -#}
{% macro build_ts() -%}
    timestamp '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}'
{%- endmacro %}


{#- The vars that this build used, as JSON: what reproduces it. -#}
{% macro build_vars() -%}
    {%- set used = {} -%}
    {%- for name in [
        'spot', 'perp', 'funding', 'symbol', 'timeframe', 'fees_bps', 'strategy',
        'beta_window', 'vol_window', 'vol_target',
    ] -%}
        {%- do used.update({name: var(name)}) -%}
    {%- endfor -%}
    {{- tojson(used) -}}
{%- endmacro %}
