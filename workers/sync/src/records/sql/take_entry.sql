-- Locks the row until the commit and reads it: a select would lock nothing.
update entries
set revision = revision + 1
where kind = $1 and row_id = $2
returning
    row_id, location_id, contact_id, ghl_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted, revision, last_edits
