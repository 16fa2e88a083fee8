-- The rows to insert are appended, and that a known id is left alone; what is returned is new.
insert into webhooks (id, type, location_id, contact_id, result, body, job_id, received_at)
values
