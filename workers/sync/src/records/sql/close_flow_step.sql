-- The job that would go on with the run $2 of the location $3. What a step has set going ends as it would.
update jobs
set state = 'done', finished_at = coalesce(finished_at, $1)
where kind = 'flow_step' and record_id = $2 and location_id = $3 and (finished_at is null or state = 'dead')
