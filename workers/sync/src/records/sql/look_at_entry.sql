update entries
set looks = coalesce(looks, 0) + 1
where row_id = $1 and location_id = $2
