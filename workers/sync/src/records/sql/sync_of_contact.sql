select sync from contacts where location_id = $1 and row_id = $2
