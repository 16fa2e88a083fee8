-- The rows come as one document.
insert into jobs
    (id, source, event_id, given_event_id, event_type, kind, location_id, record_id, contact_id, priority, data, created_at)
select
    id, source, event_id, given_event_id, event_type, kind, "locationId", "recordId", contact_id, priority, data, created_at_ms
from json_to_recordset(cast($1 as json)) as event (
    id text, source text, event_id text, given_event_id text, event_type text, kind text, "locationId" text, "recordId" text,
    contact_id text, priority bigint, data text, created_at_ms bigint
)
