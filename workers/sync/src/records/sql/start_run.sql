-- Takes every open row of the key that no newer run holds.
update jobs
set state = 'running', epoch = $1, started_at = $2, due_at = null
where finished_at is null
  and kind = $3 and location_id = $4 and record_id = $5
  and epoch < $1
returning id, attempts, created_at, source, event_id
