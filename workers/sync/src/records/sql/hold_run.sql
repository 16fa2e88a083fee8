-- Changes nothing and locks the rows that the run still holds, so that none can be taken from it before the commit.
update jobs
set state = state
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
