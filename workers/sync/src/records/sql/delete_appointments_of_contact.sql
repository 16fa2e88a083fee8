update appointments set deleted_at = $3 where location_id = $1 and contact_id = $2 and deleted_at is null
