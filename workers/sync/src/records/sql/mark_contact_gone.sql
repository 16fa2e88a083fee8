update contacts
set deleted_at = $1, changed_at = $1, synced_at = $1, revision = revision + 1
where location_id = $2 and contact_id = $3 and deleted_at is null
