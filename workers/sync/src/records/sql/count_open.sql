select count(*)
from jobs
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
