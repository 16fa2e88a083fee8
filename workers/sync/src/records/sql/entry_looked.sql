update entries
set asked = null, asked_at = null, looks = null
where row_id = $1
