-- The rows to insert are appended.
insert into jobs (id, source, event_type, kind, location_id, record_id, priority, state, data, created_at, finished_at)
values
