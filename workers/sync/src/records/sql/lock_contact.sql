-- Locks the row until the commit and reads it; it counts as no change.
update contacts
set revision = revision
where location_id = $1 and contact_id = $2
returning
    row_id, location_id, contact_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted_at, synced_at, revision, heard_at, unread, created_by, last_edits,
    (select country from connections where connections.location_id = contacts.location_id) as country,
    (select field_kinds from connections where connections.location_id = contacts.location_id) as field_kinds
