delete from jobs
where id in (
    select id from jobs where state = 'dead' and finished_at < $1 limit $2
)
returning kind, location_id, record_id, source, coalesce(event_id, given_event_id) as event_id
