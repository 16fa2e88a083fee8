insert into connections (location_id, kind, token, key_id, name, time_zone, state, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
on conflict (location_id) do update
set kind = excluded.kind,
    token = excluded.token,
    key_id = excluded.key_id,
    name = coalesce(excluded.name, connections.name),
    time_zone = coalesce(excluded.time_zone, connections.time_zone),
    state = excluded.state,
    updated_at = excluded.updated_at
