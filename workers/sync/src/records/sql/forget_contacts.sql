delete from contacts
where (location_id, contact_id) in (
    select location_id, contact_id from contacts where deleted_at < $1 limit $2
)
returning location_id, contact_id
