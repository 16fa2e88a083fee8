insert into entries (row_id, kind, location_id, contact_id, clienty_id, doc, revision, changed_at)
values ($1, $2, $3, $4, $5, $6, 1, $7)
