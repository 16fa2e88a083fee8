update custom_fields set name = $3, options = $4 where location_id = $1 and field_id = $2
