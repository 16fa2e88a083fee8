update conflicts set row_id = $1 where location_id = $2 and row_id = $3 and record = 'contact'
