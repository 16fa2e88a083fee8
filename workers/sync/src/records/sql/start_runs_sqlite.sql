)
update jobs
set state = 'running', epoch = wanted.epoch, started_at = $1, due_at = null
from wanted
where jobs.finished_at is null
  and jobs.kind = wanted.kind and jobs.location_id = wanted.location_id and jobs.record_id = wanted.record_id
  and jobs.epoch < wanted.epoch
returning
    id, kind, location_id, record_id, epoch, attempts, created_at, source, event_id, event_type,
    case when source = 'sweep' then data else '' end as data
