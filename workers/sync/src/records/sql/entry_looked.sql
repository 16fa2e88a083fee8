update entries
set asked = null, asked_at = null, look = null
where row_id = $1
