select contact_id from entries where kind = $1 and location_id = $2 and ghl_id = $3
