select
    id, source, coalesce(given_event_id, event_id) as event_id, event_type, kind, location_id, record_id, priority, state, epoch,
    attempts, last_error, data, created_at, due_at, started_at, finished_at, outcome, unapplied, discarded_at, discarded_by, discarded_why
from jobs
where ($1 is null or location_id = $1)
  and ($2 is null or kind = $2)
  and ($3 is null or replace(last_error, $3, '') <> last_error)
  and ($4 is null or location_id in (select location_id from key_sees where key_id = $4))
  and ($5 is null or created_at >= $5)
  and ($6 is null or id < $6)
  and
