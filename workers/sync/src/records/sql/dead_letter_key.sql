-- Rows of a newer run are not this caller's to bury.
update jobs
set state = 'dead', finished_at = $1, attempts = attempts + 1, last_error = $2
where finished_at is null
  and kind = $3 and location_id = $4 and record_id = $5
  and epoch <= $6
returning id
