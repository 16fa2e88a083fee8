select row_id, revision from entries where location_id = $1 and contact_id = $2 and ghl_id is not null
