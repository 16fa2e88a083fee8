-- The list of event ids is appended.
select event_id, location_id, producer, content, job_id, kind, record_id, accepted_at
from event_ids
where event_id in
