update contacts
set look = 1
where row_id = $1 and location_id = $2
