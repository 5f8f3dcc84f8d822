-- One row: when this database was built, and from which vars.
{{ check_vars() }}
select
    {{ build_ts() }} as built_at,
    {{ sql_text(build_vars()) }} as vars,
    {{ 'true' if perp_is_proxy() else 'false' }} as is_perp_proxy,
    -- set at the end of the build
    false as has_passed
