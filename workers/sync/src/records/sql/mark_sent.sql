-- Only of rows that the run still holds. $5: the time, or null where it is known that nothing was done.
update jobs
set sent_at = $5
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
