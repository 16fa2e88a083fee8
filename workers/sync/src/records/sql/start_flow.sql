insert into flow_runs (id, flow, location_id, contact_id, occasion, definition, knows, priority, started_at, version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (location_id, flow, occasion) where occasion is not null do nothing
