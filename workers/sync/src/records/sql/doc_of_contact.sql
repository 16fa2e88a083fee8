select doc from contacts where location_id = $1 and row_id = $2 and deleted_at is null
