-- What is owed for the row $4 is owed for the row $1. A run that is under way loses its jobs.
update jobs
set record_id = $1,
    epoch = 0,
    state = case when state = 'running' then 'waiting' else state end
where finished_at is null and kind = $2 and location_id = $3 and record_id = $4
