insert into flow_touched (location_id, object_id, touched_at)
values ($1, $2, $3)
on conflict (location_id, object_id) do update set touched_at = excluded.touched_at
