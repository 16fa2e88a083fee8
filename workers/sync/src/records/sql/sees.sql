select location_id from key_sees where key_id = $1 and location_id = $2
