select row_id, intent from contacts where location_id = $1 and base is null and intent is not null
