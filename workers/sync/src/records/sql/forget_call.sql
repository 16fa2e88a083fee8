-- Only of rows that the run still holds.
update jobs
set data = '{}', reply = null, last_error = null
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
