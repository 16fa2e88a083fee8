-- Before a run gives up the rows that it holds: what became of its attempt at each of them.
insert into job_attempts (job_id, epoch, attempt, failed_at, error)
select id, epoch, (select coalesce(max(attempt), 0) + 1 from job_attempts where job_id = jobs.id), $5, $6
from jobs
where finished_at is null
  and kind = $1 and location_id = $2 and record_id = $3
  and epoch = $4 and state = 'running'
on conflict (job_id, epoch) do nothing
