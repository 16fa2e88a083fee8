insert into custom_fields (location_id, field_id, field_key)
values ($1, $2, $3)
on conflict (location_id, field_id) do update set field_key = excluded.field_key
