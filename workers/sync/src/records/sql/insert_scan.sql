insert into walks
    (id, location_id, purpose, phase, page_limit, known_only, pause_ms, tasks_apart, cursor, since_at, created_after, reached_at, reached,
     started_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
