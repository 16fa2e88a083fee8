select
    id, source, coalesce(given_event_id, event_id) as event_id, event_type, kind, location_id, record_id, priority, state, epoch,
    attempts, last_error, data, created_at, due_at, started_at, finished_at, outcome, unapplied, discarded_at, discarded_by, discarded_why
from jobs
where state = $1
  and discarded_at is null
  and ($2 is null or location_id = $2)
  and ($3 is null or kind = $3)
  and ($4 is null or replace(last_error, $4, '') <> last_error)
order by id desc
limit $5
