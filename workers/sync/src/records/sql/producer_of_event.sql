select producer from event_ids where event_id = $1 and job_id = $2
