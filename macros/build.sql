{% macro build_ts() -%}
    timestamp '{{ as_of() or run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}'
{%- endmacro %}


{% macro build_vars() -%}
    {%- set used = {} -%}
    {%- for name in [
        'spot', 'perp', 'funding', 'symbol', 'timeframe', 'fees_bps', 'slippage_bps',
        'strategy', 'halflife', 'vol_target', 'sweep',
        'risk_aversion', 'bootstrap_block_days', 'bootstrap_replicates', 'bootstrap_seed',
        'max_basis_bps', 'max_jump_bps', 'max_price_ratio', 'equal_closes_chance',
        'max_equal_closes_share',
        'max_funding_rate', 'max_print_delay_s',
    ] -%}
        {%- do used.update({name: var(name)}) -%}
    {%- endfor -%}
    {%- do used.update({'as_of': as_of()}) -%}
    {%- for name in var('windows_of_several_timeframes') -%}
        {%- set value = window_var(name) -%}
        {%- do used.update({name: value | int if value.isdecimal() else value}) -%}
    {%- endfor -%}
    {{- tojson(used) -}}
{%- endmacro %}


{% macro forget_last_build() -%}
    {%- if flags.WHICH in ['build', 'run', 'seed'] -%}
        {%- set build = adapter.get_relation(
            target.database, target.schema, 'int_build'
        ) -%}
        {%- if build -%}
            update {{ build }} set has_passed = false
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{% macro record_build(results) -%}
    {#- outside the condition, or a parse for another command would not see it -#}
    {%- set build = ref('int_build') -%}
    {#- an exposure is a node, too, with which a build does nothing -#}
    {%- set good = ['success', 'pass', 'warn', 'no-op'] -%}
    {%- set bad = results | rejectattr('status', 'in', good) | list -%}
    {#-
        Whatever narrowed it: a node of the project that did not run has not passed. Tests
        of disabled models stay in the graph, without what they depend on.
    -#}
    {%- set ran = results | map(attribute='node.unique_id') | list -%}
    {%- set left_out = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values()
            if node.resource_type in ['seed', 'model', 'test']
            and node.config.materialized != 'ephemeral'
            and node.unique_id not in ran
            and (node.resource_type != 'test' or node.depends_on.nodes) -%}
            {%- do left_out.append(node.unique_id) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if execute and flags.WHICH == 'build' and not left_out and not bad -%}
        update {{ build }} set has_passed = true
    {%- endif -%}
{%- endmacro %}
