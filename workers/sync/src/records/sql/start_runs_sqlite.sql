)
update jobs
set state = 'running', epoch = held.epoch, started_at = $1, due_at = null
from (
    select wanted.epoch, found.id
    from wanted cross join jobs as found
    where found.finished_at is null
      and found.kind = wanted.kind and found.location_id = wanted.location_id and found.record_id = wanted.record_id
      and found.epoch < wanted.epoch
) as held
where jobs.id = held.id
returning
    id, kind, location_id, record_id, epoch, attempts, created_at, source, event_id, event_type,
    case when source = 'sweep' then data else '' end as data
