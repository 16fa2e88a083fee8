update contacts set seen_walk = $1 where location_id = $2 and contact_id = $3
