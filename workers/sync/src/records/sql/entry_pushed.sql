update entries
set ghl_id = $1,
    base = $2,
    doc = $4,
    edits = $6,
    prints = $7,
    sync = $8,
    last_edits = $9,
    asked = null,
    asked_at = null,
    intent = null,
    intent_at = null,
    revision = revision + 1,
    changed_at = $5
where row_id = $3
