select flow from flow_runs where id = $1
