update jobs
set state = 'done', discarded_at = $2, discarded_by = $3, discarded_why = $4
where id = $1 and state = 'dead'
returning kind, location_id, record_id, source, event_id
