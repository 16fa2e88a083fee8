select id from flow_runs
where flow = $1 and outcome is null and ($2 is null or location_id in (select location_id from key_sees where key_id = $2))
order by id
limit $3
