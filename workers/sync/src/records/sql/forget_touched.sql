delete from flow_touched
where (location_id, object_id) in (
    select location_id, object_id from flow_touched where touched_at < $1 order by touched_at limit $2
)
