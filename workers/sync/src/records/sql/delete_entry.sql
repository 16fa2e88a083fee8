delete from entries where row_id = $1
