-- Of comparisons that are no longer kept.
delete from findings
where walk_id in (
    select walk_id from findings
    where not exists (select 1 from walks where walks.id = findings.walk_id)
    limit $1
)
