update contact_aliases set orphaned_at = $1 where location_id = $2 and contact_id = $3
