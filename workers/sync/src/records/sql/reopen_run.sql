-- Gives back the rows that the run still holds. $7: attempts spent, 0 or 1.
update jobs
set state = $5, due_at = $6, attempts = attempts + $7, kills = 0, last_error = coalesce($8, last_error)
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
