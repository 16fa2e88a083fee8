select distinct contact_id from changes where seq > $1 and location_id = $2
