insert into connections (location_id, kind, company_id, name, time_zone, state, created_at, updated_at)
values ($1, $2, $3, $4, $5, 'active', $6, $6)
on conflict (location_id) do update
set kind = excluded.kind,
    company_id = excluded.company_id,
    name = coalesce(excluded.name, connections.name),
    time_zone = coalesce(excluded.time_zone, connections.time_zone),
    state = excluded.state,
    updated_at = excluded.updated_at
