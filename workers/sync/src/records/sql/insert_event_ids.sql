-- The rows to insert are appended: one group of placeholders each.
insert into event_ids (event_id, location_id, producer, content, job_id, kind, record_id, accepted_at)
values
