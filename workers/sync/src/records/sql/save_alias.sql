insert into contact_aliases (location_id, alias, contact_id)
values ($1, $2, $3)
on conflict (location_id, alias) do update set contact_id = excluded.contact_id
