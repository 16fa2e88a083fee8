-- The list of event ids is appended.
select source, event_id, id, kind, location_id, record_id, created_at, given_event_id
from jobs
where event_id in
