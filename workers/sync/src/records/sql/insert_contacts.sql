-- The rows to insert are appended, and then what becomes of those that have come meanwhile.
insert into contacts (
    location_id, contact_id, row_id, clienty_id, doc, base, edits, prints, sync, search, date_updated, synced_at, changed_at, revision,
    deleted_at, seen_walk, unread, created_by, last_edits
)
values
