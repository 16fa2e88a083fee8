select synced_at, deleted_at from contacts where location_id = $1 and contact_id = $2
