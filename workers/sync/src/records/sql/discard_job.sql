update jobs
set state = 'done'
where id = $1 and state = 'dead'
returning kind, location_id, record_id, source, event_id
