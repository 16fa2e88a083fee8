insert into walks (id, location_id, purpose, phase, page_limit, known_only, pause_ms, started_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
