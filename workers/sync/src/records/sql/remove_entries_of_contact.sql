update entries
set deleted = 1, base = null, edits = null, asked = null, intent = null, intent_at = null, revision = revision + 1, changed_at = $1
where location_id = $2 and contact_id = $3 and (deleted = 0 or base is not null)
