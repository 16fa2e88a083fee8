select time_zone from connections where location_id = $1
