select id, flow, location_id, contact_id, step, started_at, wait_until, outcome
from flow_runs
where ($1 is null or location_id in (select location_id from key_sees where key_id = $1))
  and ($2 is null or flow = $2)
  and ($3 is null or id < $3)
order by id desc
limit $4
