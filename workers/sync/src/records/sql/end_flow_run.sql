update flow_runs set outcome = $1, knows = '{}' where id = $2 and outcome is null
returning flow
