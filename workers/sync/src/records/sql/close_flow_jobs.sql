-- The job of a run that ends, whether it waits, runs or is dead: by the key of its own kind, and by the event of its step. $2: the run's id; $3: the event id
-- of its step; $4: its location.
update jobs
set state = 'done', finished_at = coalesce(finished_at, $1)
where id in (
    select id from jobs where jobs.finished_at is null and kind = 'flow_step' and location_id = $4 and record_id = $2
    union all
    select id from jobs where state = 'dead' and kind = 'flow_step' and location_id = $4 and record_id = $2
    union all
    select id from jobs where event_id = $3 and source = 'flow' and state <> 'done'
)
