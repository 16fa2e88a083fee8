update custom_fields set data_type = $3 where location_id = $1 and field_id = $2
