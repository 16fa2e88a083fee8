select max(started_at) from jobs
