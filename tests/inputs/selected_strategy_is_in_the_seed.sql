select {{ sql_text(var('strategy')) }} as strategy
where not exists (select 1 from {{ ref('int_strategies') }} where is_selected)
