select seen from entries where row_id = $1
