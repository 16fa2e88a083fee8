insert into missing_parts (location_id, contact_id, part, reason, since)
values ($1, $2, $3, $4, $5)
on conflict (location_id, contact_id, part) do update set reason = excluded.reason
