-- No row where another transaction was faster ($3: the revision that was read).
update contacts
set contact_id = $4,
    clienty_id = $5,
    doc = $6,
    base = $7,
    edits = $8,
    prints = $9,
    sync = $10,
    search = $11,
    date_updated = $12,
    synced_at = $13,
    changed_at = case when $14 = 1 then $15 else changed_at end,
    deleted_at = $16,
    intent = $17,
    intent_at = $18,
    asked = $19,
    unread = $20,
    asked_at = $21,
    looks = $22,
    created_by = $23,
    last_edits = $24,
    revision = revision + 1
where location_id = $1 and row_id = $2 and revision = $3
