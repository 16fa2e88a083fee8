-- Not one that GHL does not have yet.
update contacts
set deleted_at = coalesce(deleted_at, $1), changed_at = $1, synced_at = $1, base = null, edits = null, asked = null, asked_at = null, looks = null, revision = revision + 1
where location_id = $2 and contact_id = $3 and base is not null
