insert into entries (row_id, kind, location_id, contact_id, clienty_id, doc, revision, changed_at)
values ($1, 'task', $2, $3, $4, $5, 1, $6)
on conflict (kind, location_id, clienty_id) do nothing
