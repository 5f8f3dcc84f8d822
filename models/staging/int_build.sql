-- One row: when this database was built, and from which vars.
{{ check_vars() }}
select
    timestamp '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as built_at,
    {{ build_ts() }} as as_of,
    {{ sql_text(build_vars()) }} as vars,
    {{ 'true' if perp_is_proxy() else 'false' }} as is_perp_proxy,
    -- set at the end of the build
    false as has_passed
