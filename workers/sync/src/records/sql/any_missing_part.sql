select part from missing_parts where location_id = $1 limit 1
