select
    id, source, coalesce(given_event_id, event_id) as event_id, event_type, kind, created_at, discarded_at, discarded_by, discarded_why
from jobs
where id = $1
