update contacts
set heard_at = $1
where location_id = $2 and row_id = $3 and coalesce(heard_at, 0) < $1
