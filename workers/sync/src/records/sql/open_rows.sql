select id
from jobs
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
order by id
