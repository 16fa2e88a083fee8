-- By kind and location: since when the longest waiting row could run, from its acceptance, or from its due time. Rows that are put off do not count,
-- nor those of locations that nobody may call GHL for.
select jobs.kind, jobs.location_id, min(coalesce(due_at, jobs.created_at)) as since
from jobs join connections on connections.location_id = jobs.location_id
where finished_at is null
  and coalesce(due_at, jobs.created_at) <= $1
  and connections.state <> 'uninstalled'
group by jobs.kind, jobs.location_id
