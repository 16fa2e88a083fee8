update connections set country = $2 where location_id = $1 and country is distinct from $2
