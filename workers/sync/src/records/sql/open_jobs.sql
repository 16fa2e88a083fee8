-- One row per key with open rows, in key order, after the key $1, $2, $3.
-- $4: skip keys whose oldest row is younger; $5: skip keys that a run started after it holds. Times after $6 lie ahead of the clock, which was
-- set back since: they say nothing, and delays are counted from them.
select
    kind,
    location_id,
    record_id,
    min(priority) as priority,
    max(attempts) as attempts,
    min(coalesce(due_at, created_at))
        - case when max(coalesce(started_at, created_at)) > $6 then max(coalesce(started_at, created_at)) - $6 else 0 end as due_at,
    min(case state when 'running' then 0 when 'waiting' then 1 else 2 end) as state_rank
from jobs
where finished_at is null
  and (kind, location_id, record_id) > ($1, $2, $3)
group by kind, location_id, record_id
having (min(created_at) <= $4 or min(created_at) > $6)
  and max(case when state = 'running' and started_at > $5 and started_at <= $6 then 1 else 0 end) = 0
order by kind, location_id, record_id
limit $7
