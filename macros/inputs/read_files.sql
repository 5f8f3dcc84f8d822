{#
    How a parquet file of bars or funding prints is read. The macros in this folder use
    nothing of dbt but `var` and `exceptions`, so that scripts/inputs.py renders the same
    SQL, with the same refusals, before it pays for importing dbt.

    A *layout* is a set of files with the same columns:
        {"files": ["…", …], "columns": [{"name": "close", "type": "DOUBLE"}, …]}
    Each layout is read by its own select, so files of one glob may differ.
#}


{% macro input_layouts_query(glob) -%}
    with
    -- the root first, then each column with its children behind it
    nodes as (
        select
            file_name,
            column_id,
            name,
            duckdb_type,
            sum(coalesce(num_children, 0) - 1) over (
                partition by file_name order by column_id
            ) as nodes_to_come
        from parquet_schema({{ sql_text(glob) }})
    ),

    -- a column's children come between it and the moment at which fewer are to come
    columns_of_files as (
        select
            file_name,
            column_id,
            name,
            duckdb_type,
            lag(nodes_to_come) over (partition by file_name order by column_id)
            < coalesce(
                min(nodes_to_come) over (
                    partition by file_name
                    order by column_id
                    rows between unbounded preceding and 2 preceding
                ),
                1e9
            ) as is_top_level
        from nodes
    ),

    files as (
        select
            file_name,
            to_json(list({name: name, type: duckdb_type} order by column_id)) as columns
        from columns_of_files
        where is_top_level
        group by file_name
    )

    select
        to_json(list(file_name order by file_name)) as files,
        columns
    from files
    group by columns
    order by min(file_name)
{%- endmacro %}


{% macro bars_from_files(layouts) -%}
    with
    input_rows as (
        {%- for layout in layouts %}
        select
            {{ symbol_expression(layout) }} as symbol,
            {{ time_expression(layout, bar_time_columns()) }} as ts,
            {{ time_unit_expression(layout, bar_time_columns()) }} as time_unit,
            {{ number_expression(layout, 'open') }} as open,
            {{ number_expression(layout, 'high') }} as high,
            {{ number_expression(layout, 'low') }} as low,
            {{ number_expression(layout, 'close', is_required=true) }} as close,
            -- a volume that is not finite is not known
            case
                when {{ is_finite(number_expression(layout, 'volume')) }}
                    then {{ number_expression(layout, 'volume') }}
            end as volume,
            true
            {%- for price in ['open', 'high', 'low']
                if fromjson(input_column(layout, price)) %}
            and {{ is_price(number_expression(layout, price)) }}
            {%- endfor %} as are_other_prices_usable,
            read_from as source_file,
            file_row_number + 1 as source_row
        from {{ parquet_files(layout.files) }}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    )

    select
        symbol,
        {{ plausible_time('ts') }} as ts,
        time_unit,
        open,
        high,
        low,
        close,
        volume,
        {{ plausible_time('ts') }} is not null
        and {{ is_price('close') }}
        and are_other_prices_usable as is_usable,
        source_file,
        source_row
    from input_rows
    {{ symbol_filter() }}
{%- endmacro %}


{#- To the second, since exchanges stamp a few milliseconds late. -#}
{% macro prints_from_files(layouts) -%}
    with
    input_rows as (
        {%- for layout in layouts %}
        select
            {{ symbol_expression(layout) }} as symbol,
            {{ time_expression(layout, print_time_columns()) }} as ts,
            {{ time_unit_expression(layout, print_time_columns()) }} as time_unit,
            {{ number_expression(layout, rate_columns(), is_required=true) }}
                as funding_rate,
            read_from as source_file,
            file_row_number + 1 as source_row
        from {{ parquet_files(layout.files) }}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    )

    select
        symbol,
        date_trunc('second', {{ add_ms(plausible_time('ts'), 500) }}) as ts,
        time_unit,
        funding_rate,
        {{ plausible_time('ts') }} is not null
        and {{ is_finite('funding_rate') }} as is_usable,
        source_file,
        source_row
    from input_rows
    {{ symbol_filter() }}
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
