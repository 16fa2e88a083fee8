insert into appointments (location_id, appointment_id, contact_id, doc)
values ($1, $2, $3, $4)
on conflict (location_id, appointment_id) do update
set contact_id = excluded.contact_id, doc = excluded.doc, deleted_at = null
