-- The rows to insert are appended: one group of placeholders each.
insert into jobs (id, source, event_id, given_event_id, event_type, kind, location_id, record_id, contact_id, priority, data, created_at)
values
