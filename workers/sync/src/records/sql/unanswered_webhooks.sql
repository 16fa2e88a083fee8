select webhooks.id, webhooks.type, webhooks.body, webhooks.received_at, webhooks.result
from jobs
join webhooks on webhooks.job_id = jobs.id
where jobs.finished_at is null
  and jobs.kind = 'pull_contact' and jobs.location_id = $1 and jobs.record_id = $2
order by webhooks.received_at
