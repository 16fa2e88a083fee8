-- Whom the rows that the run still holds are about.
select contact_id
from jobs
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
  and contact_id is not null
