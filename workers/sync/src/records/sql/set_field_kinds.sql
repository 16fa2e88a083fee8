update connections set field_kinds = $2 where location_id = $1
