insert into conflicts
    (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at, ours_at, theirs_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
