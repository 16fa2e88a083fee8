insert into custom_fields (location_id, field_id, field_key, read_at)
values ($1, $2, $3, $4)
on conflict (location_id, field_id) do update set field_key = excluded.field_key, read_at = excluded.read_at
