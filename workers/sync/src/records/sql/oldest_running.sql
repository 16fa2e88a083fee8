select min(started_at) from jobs where state = 'running'
