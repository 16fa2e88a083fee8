-- A mark of what was never known here, so that older news of it tells nothing.
insert into entries (row_id, kind, location_id, contact_id, ghl_id, doc, deleted, revision, changed_at)
values ($1, $2, $3, $4, $5, $6, 1, 1, $7)
on conflict (kind, location_id, ghl_id) do nothing
