select count(*) from entries where location_id = $1 and contact_id = $2 and deleted = 0
