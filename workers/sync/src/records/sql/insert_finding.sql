insert into findings (walk_id, record, record_id, contact_id, verdict, fields)
values ($1, $2, $3, $4, $5, $6)
on conflict (walk_id, record, record_id) do update
set contact_id = excluded.contact_id, verdict = excluded.verdict, fields = excluded.fields
