update connections set api = $1, updated_at = $2 where location_id = $3
