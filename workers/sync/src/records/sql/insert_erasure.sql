insert into erasures (id, location_id, contact_id, erased, erased_at, pending) values ($1, $2, $3, $4, $5, 1)
