delete from flow_touched where touched_at < $1
