select min(started_at) from jobs where finished_at is null and state = 'running'
