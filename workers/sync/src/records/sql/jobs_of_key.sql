-- By the indexes of open and of dead rows.
select
    id, source, coalesce(given_event_id, event_id) as event_id, event_type, kind, location_id, record_id, priority, state, epoch,
    attempts, last_error, data, created_at, due_at, started_at, finished_at, outcome, unapplied, discarded_at, discarded_by, discarded_why
from jobs
where kind = $1 and location_id = $2 and record_id = $3 and (finished_at is null or state = 'dead')
  and ($4 is null or location_id in (select location_id from key_sees where key_id = $4))
