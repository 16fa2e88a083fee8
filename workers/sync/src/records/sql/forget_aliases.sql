delete from contact_aliases
where (location_id, alias) in (
    select location_id, alias from contact_aliases where orphaned_at < $1 order by orphaned_at limit $2
)
