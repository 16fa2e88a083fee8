select field_id, field_key from custom_fields where location_id = $1
