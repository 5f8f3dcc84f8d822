{#
    How a parquet file of bars or funding prints is read. The macros in this folder use
    nothing of dbt but `var` and `exceptions`, so that scripts/inputs.py renders the same
    SQL, with the same refusals, before it pays for importing dbt.

    A *layout* is a set of files with the same columns:
        {"files": ["…", …], "columns": [{"name": "close", "type": "DOUBLE"}, …]}
    Each layout is read by its own select, so files of one glob may differ.
#}


{% macro file_schemas_query(glob) -%}
    select to_json({
        file: file_name,
        nodes: list(
            {name: name, type: duckdb_type, children: num_children} order by column_id
        )
    })
    from parquet_schema({{ sql_text(glob) }})
    group by file_name
    order by file_name
{%- endmacro %}


{#-
    The first node of a file is its root. Each column follows, with all that is nested in it
    right behind: those nodes are no columns.
-#}
{% macro layouts_of(schemas) -%}
    {%- set files_by_columns = {} -%}
    {%- for schema in schemas -%}
        {%- set columns = [] -%}
        {%- set nested = namespace(to_come=0) -%}
        {%- for node in schema.nodes[1:] -%}
            {%- if nested.to_come -%}
                {%- set nested.to_come = nested.to_come - 1 -%}
            {%- else -%}
                {%- do columns.append({'name': node.name, 'type': node.type}) -%}
            {%- endif -%}
            {%- set nested.to_come = nested.to_come + (node.children or 0) -%}
        {%- endfor -%}
        {%- do files_by_columns.setdefault(tojson(columns), []).append(schema.file) -%}
    {%- endfor -%}
    {%- set layouts = [] -%}
    {%- for columns, files in files_by_columns.items() -%}
        {%- do layouts.append({'files': files, 'columns': fromjson(columns)}) -%}
    {%- endfor -%}
    {{- tojson(layouts) -}}
{%- endmacro %}


{% macro bar_columns(layout) -%}
    {%- set ts = plausible_time(time_expression(layout, bar_time_columns())) -%}
    {%- set close = number_expression(layout, 'close', is_required=true) -%}
    {%- set volume = number_expression(layout, 'volume') -%}
    {{ symbol_expression(layout) }} as symbol,
    {{ ts }} as ts,
    {{ time_unit_expression(layout, bar_time_columns()) }} as time_unit,
    {%- for price in ['open', 'high', 'low'] %}
    {{ number_expression(layout, price) }} as {{ price }},
    {%- endfor %}
    {{ close }} as close,
    -- a volume that is not finite is not known
    case when {{ is_finite(volume) }} then {{ volume }} end as volume,
    {{ ts }} is not null
    and {{ is_price(close) }}
    {%- for price in ['open', 'high', 'low'] if fromjson(input_column(layout, price)) %}
    and {{ is_price(number_expression(layout, price)) }}
    {%- endfor %} as is_usable,
    read_from as source_file,
    file_row_number + 1 as source_row
{%- endmacro %}


{#- To the second, since exchanges stamp a few milliseconds late. -#}
{% macro print_columns(layout) -%}
    {%- set ts = plausible_time(time_expression(layout, print_time_columns())) -%}
    {%- set rate = number_expression(layout, rate_columns(), is_required=true) -%}
    {{ symbol_expression(layout) }} as symbol,
    date_trunc('second', {{ add_ms(ts, 500) }}) as ts,
    {{ time_unit_expression(layout, print_time_columns()) }} as time_unit,
    {{ rate }} as funding_rate,
    {{ ts }} is not null and {{ is_finite(rate) }} as is_usable,
    read_from as source_file,
    file_row_number + 1 as source_row
{%- endmacro %}


{% macro bar_time_columns() -%}
    timestamp,ts,time,date,datetime,open_time
{%- endmacro %}


{% macro print_time_columns() -%}
    {{ bar_time_columns() }},calc_time,fundingTime
{%- endmacro %}


{% macro rate_columns() -%}
    funding_rate,fundingRate,rate,funding,last_funding_rate,{{ paid_rate_columns() }}
{%- endmacro %}


{#-
    Beside an amount per contract of the name fundingRate (Kraken Futures), or a forecast
    (OKX).
-#}
{% macro paid_rate_columns() -%}
    relativeFundingRate,realizedRate
{%- endmacro %}


{% macro parquet_files(files) -%}
    read_parquet(
        [
            {%- for file in files %}
            {{ sql_path(file) }},
            {%- endfor %}
        ],
        filename = 'read_from', file_row_number = true, hive_partitioning = false
    )
{%- endmacro %}


{#- Such a time was read in a wrong unit, or stands for a missing one. -#}
{% macro plausible_time(ts) -%}
    case
        when {{ ts }} between timestamp '2009-01-03' and timestamp '2099-12-31'
            then {{ ts }}
    end
{%- endmacro %}


{% macro time_expression(layout, candidates) -%}
    {%- set column = fromjson(input_column(layout, candidates)) -%}
    {%- if not column -%}
        {{- exceptions.raise_compiler_error(
            layout.files[0] ~ ' has no time column: it has ' ~ column_names(layout)
            ~ '. Name one of them ' ~ candidates | replace(',', ', ') ~ '.'
        ) -}}
    {%- endif -%}
    {%- set value = sql_name(column.name) -%}
    {%- if column.type == 'TIMESTAMP WITH TIME ZONE' -%}
        {#- a sixth of the time of `at time zone`, which looks the zone up for every row -#}
        make_timestamp(epoch_us({{ value }}))
    {%- elif column.type.startswith('TIMESTAMPTZ') -%}
        {#- no function but this takes TIMESTAMPTZ_NS -#}
        ({{ value }} at time zone 'UTC')::timestamp
    {%- elif column.type.startswith('TIMESTAMP') or column.type == 'DATE' -%}
        {{ value }}::timestamp
    {%- elif is_number(column) -%}
        {{ utc_from_epoch(value ~ '::hugeint') }}
    {%- elif column.type == 'VARCHAR' -%}
        {#-
            a cast from text to timestamp would drop the offset: read it as zoned, naive
            as UTC
        -#}
        coalesce(
            {{ utc_from_epoch('try_cast(' ~ value ~ ' as hugeint)') }},
            try_cast({{ value }} || ' UTC' as timestamptz) at time zone 'UTC',
            try_cast({{ value }} || ' 00:00 UTC' as timestamptz) at time zone 'UTC',
            try_cast({{ value }} as timestamptz) at time zone 'UTC'
        )
    {%- else -%}
        {{- exceptions.raise_compiler_error(
            layout.files[0] ~ ': its column ' ~ column.name ~ ' is ' ~ column.type
            ~ ', not a time. Store it as a timestamp, ISO text, or an integer since 1970.'
        ) -}}
    {%- endif -%}
{%- endmacro %}


{#-
    Today's seconds have 10 digits, milliseconds 13, microseconds 16 and nanoseconds 19,
    and one history may switch (Binance's spot dumps turn from ms to µs on 2025-01-01).
-#}
{% macro utc_from_epoch(value) -%}
    make_timestamp((
        case
            when {{ value }} >= 1e17 then {{ value }} // 1000
            when {{ value }} >= 1e14 then {{ value }}
            when {{ value }} >= 1e11 then {{ value }} * 1000
            when {{ value }} >= 1e8 then {{ value }} * 1000000
        end
    )::bigint)
{%- endmacro %}


{% macro epoch_unit(value) -%}
    case
        when {{ value }} >= 1e17 then 'ns'
        when {{ value }} >= 1e14 then 'us'
        when {{ value }} >= 1e11 then 'ms'
        when {{ value }} >= 1e8 then 's'
    end
{%- endmacro %}


{% macro time_unit_expression(layout, candidates) -%}
    {%- set column = fromjson(input_column(layout, candidates)) -%}
    {%- if column and is_number(column) -%}
        {{ epoch_unit(sql_name(column.name) ~ '::hugeint') }}
    {%- elif column and column.type == 'VARCHAR' -%}
        {{ epoch_unit('try_cast(' ~ sql_name(column.name) ~ ' as hugeint)') }}
    {%- else -%}
        null::varchar
    {%- endif -%}
{%- endmacro %}


{% macro number_expression(layout, candidates, is_required=false) -%}
    {%- set found = fromjson(input_columns(layout, candidates)) -%}
    {%- if found | length > 1 -%}
        {{- exceptions.raise_compiler_error(
            layout.files[0] ~ ' has the columns ' ~ found | map(attribute='name') | join(', ')
            ~ ' for one value. Keep the one that is meant.'
        ) -}}
    {%- endif -%}
    {%- set column = found | first -%}
    {%- if column and is_number(column) -%}
        {{ sql_name(column.name) }}::double
    {%- elif column -%}
        {{- exceptions.raise_compiler_error(
            layout.files[0] ~ ': its column ' ~ column.name ~ ' is ' ~ column.type
            ~ ', not a number. Store it as a double.'
        ) -}}
    {%- elif is_required -%}
        {{- exceptions.raise_compiler_error(
            layout.files[0] ~ ' has no column ' ~ candidates | replace(',', ' or ')
            ~ ': it has ' ~ column_names(layout) ~ '. Rename the one that is meant.'
        ) -}}
    {%- else -%}
        null::double
    {%- endif -%}
{%- endmacro %}


{% macro symbol_expression(layout) -%}
    {%- set column = fromjson(input_column(layout, 'symbol')) -%}
    coalesce(
        {%- if column %}
        nullif(trim({{ sql_name(column.name) }}::varchar), ''),
        {%- endif %}
        {{ symbol_in_file_name('read_from') }},
        {{ sql_text(fallback_symbol()) }}
    )
{%- endmacro %}


{% macro symbol_in_file_name(path) -%}
    nullif(upper(regexp_extract(
        {{ file_name(path) }},
        '(?i)(?:^|[^a-z0-9])'
        || '([a-z0-9]{2,}(?:usdt|usdc|fdusd|usd|eur|btc|eth))'
        || '(?:[^a-z0-9]|$)',
        1
    )), '')
{%- endmacro %}


{% macro file_name(path) -%}
    parse_filename({{ path }})
{%- endmacro %}


{% macro fallback_symbol() -%}
    {%- set symbol = var('symbol') | string | trim -%}
    {{- symbol if symbol and ',' not in symbol else 'UNKNOWN' -}}
{%- endmacro %}


{% macro symbol_filter() -%}
    {%- if var('symbol') | string | trim -%}
    where lower(symbol) in (
        {%- for symbol in (var('symbol') | string).split(',') %}
        lower({{ sql_text(symbol | trim) }}),
        {%- endfor %}
    )
    {%- endif -%}
{%- endmacro %}


{#- scripts/project.py also rejects letters that are another form of a plain one. -#}
{% macro is_plain_name(name) -%}
    (
        regexp_full_match({{ name }}, '[\p{L}0-9_/:][\p{L}\p{M}0-9_/:.-]*')
        and not contains({{ name }}, '..')
    )
{%- endmacro %}


{% macro input_column(layout, candidates) -%}
    {{- tojson(fromjson(input_columns(layout, candidates)) | first | default(none)) -}}
{%- endmacro %}


{% macro input_columns(layout, candidates) -%}
    {%- set found = [] -%}
    {%- for candidate in candidates.split(',') -%}
        {%- set wanted = candidate | trim | lower -%}
        {%- set namesakes = [] -%}
        {%- for column in layout.columns if column.name | lower == wanted -%}
            {%- do namesakes.append(column) -%}
        {%- endfor -%}
        {%- if namesakes | length > 1 -%}
            {{- exceptions.raise_compiler_error(
                layout.files[0] ~ ' has several columns of one name: '
                ~ namesakes | map(attribute='name') | join(', ') ~ '. Keep one of them.'
            ) -}}
        {%- endif -%}
        {%- do found.extend(namesakes) -%}
    {%- endfor -%}
    {{- tojson(found) -}}
{%- endmacro %}


{% macro is_price(value) -%}
    ({{ value }} > 0 and {{ is_finite(value) }})
{%- endmacro %}


{% macro is_finite(value) -%}
    coalesce(isfinite({{ value }}), false)
{%- endmacro %}


{% macro is_number(column) -%}
    {{- 'yes' if column.type in [
        'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT',
        'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'FLOAT', 'DOUBLE',
    ] or column.type.startswith('DECIMAL') -}}
{%- endmacro %}


{% macro column_names(layout) -%}
    {{- (layout.columns | map(attribute='name') | list)[:20] | join(', ') -}}
    {%- set more = layout.columns | length - 20 -%}
    {{- ' and ' ~ more ~ ' more' if more > 0 -}}
{%- endmacro %}
