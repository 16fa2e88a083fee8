-- The other rows of the key are served by the same run.
update jobs
set state = 'waiting', due_at = null
where id = $1 and state in ('waiting', 'scheduled')
returning kind, location_id, record_id, priority
