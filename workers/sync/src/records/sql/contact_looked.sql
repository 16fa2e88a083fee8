update contacts
set asked = null, asked_at = null, looks = null
where location_id = $1 and row_id = $2
