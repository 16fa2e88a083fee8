-- Rows that wait, of ids from $1 on, the newest first.
select
    kind,
    location_id,
    record_id,
    priority,
    attempts,
    created_at as due_at,
    1 as state_rank
from jobs
where id >= $1
  and state = 'waiting'
order by id desc
limit $2
