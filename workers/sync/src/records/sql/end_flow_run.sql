update flow_runs set outcome = $1, knows = '{}', ended_at = $3 where id = $2 and outcome is null
returning flow
