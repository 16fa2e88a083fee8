-- Ends the rows that the run still holds, as done or dead. What is done has no error: those of its attempts are kept with them.
update jobs
set state = $5, finished_at = $6, attempts = attempts + 1, last_error = $7, outcome = $8, unapplied = $9
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
