-- Only of a run that is under way.
update flow_runs
set knows = $1, log = $2, step = $3, wait_until = $4, outcome = $5, ended_at = $6
where id = $7 and outcome is null
