select attempt, failed_at, error
from job_attempts
where job_id = $1
order by epoch
