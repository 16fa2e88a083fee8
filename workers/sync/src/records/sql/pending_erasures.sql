select location_id, contact_id from erasures where pending = 1 and lifted_at is null limit $1
