insert into api_keys (id, name, hash, roles, every_location, reads_people, created_by, created_at, expires_at, events_per_minute)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
