select min(created_at) from jobs where finished_at is null
