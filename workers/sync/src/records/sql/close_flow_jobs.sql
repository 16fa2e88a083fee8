-- The job of a run that ends, whether it waits, runs or is dead. $2: the run's id; $3: the event id of its step.
update jobs
set state = 'done', finished_at = coalesce(finished_at, $1)
where state <> 'done'
  and ((kind = 'flow_step' and record_id = $2) or (source = 'flow' and event_id = $3))
