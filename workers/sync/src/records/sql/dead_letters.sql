-- By the index of dead rows. The expression keeps the planner from reading the index of all ids backwards instead, where few are dead.
select id, kind, location_id, last_error, coalesce(finished_at, created_at) as died_at
from jobs
where state = 'dead'
  and ($1 is null or location_id in (select location_id from key_sees where key_id = $1))
  and ($2 is null or location_id = $2)
order by id || '' desc
limit $3
