select sync from entries where row_id = $1
