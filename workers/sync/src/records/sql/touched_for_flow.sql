select count(*) from flow_touched where location_id = $1 and object_id = $2 and touched_at >= $3
