-- The rows that `bury_key` is about to bury. Their own epochs are those of earlier runs: it is this claim that failed.
insert into job_attempts (job_id, epoch, attempt, failed_at, error)
select id, $6, (select coalesce(max(attempt), 0) + 1 from job_attempts where job_id = jobs.id), $1, $2
from jobs
where finished_at is null
  and kind = $3 and location_id = $4 and record_id = $5
  and epoch <= $6
on conflict (job_id, epoch) do nothing
