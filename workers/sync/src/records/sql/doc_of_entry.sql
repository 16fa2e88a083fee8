select doc from entries where location_id = $1 and row_id = $2 and deleted = 0
