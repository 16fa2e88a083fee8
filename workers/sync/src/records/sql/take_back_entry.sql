-- Readers see again what GHL holds, and nothing is owed.
update entries
set doc = base,
    deleted = 0,
    edits = null,
    asked = null,
    intent = null,
    intent_at = null,
    sync = $1,
    revision = revision + 1,
    changed_at = $2
where row_id = $3 and base is not null
