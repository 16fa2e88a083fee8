-- The rows to insert are appended, and then what becomes of those that are here.
insert into entries (row_id, kind, location_id, contact_id, ghl_id, doc, base, revision, changed_at)
values
