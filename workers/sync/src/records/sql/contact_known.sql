select row_id from contacts where location_id = $1 and contact_id = $2
