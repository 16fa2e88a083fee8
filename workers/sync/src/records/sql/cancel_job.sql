-- What runs is not cancelled: nobody knows what GHL did already.
update jobs
set state = 'done', finished_at = $2, due_at = null, discarded_at = $2, discarded_by = $3, discarded_why = $4
where id = $1 and state in ('waiting', 'scheduled')
returning kind, location_id, record_id, source, event_id
