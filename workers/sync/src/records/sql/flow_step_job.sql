-- The job that goes on with the run $2, while it is open or dead.
select id, state from jobs where finished_at is null and kind = 'flow_step' and location_id = $1 and record_id = $2
union all
select id, state from jobs where state = 'dead' and kind = 'flow_step' and location_id = $1 and record_id = $2
