),
-- Found by the whole key: by the statistics of a moment without open rows, all that are open, or all rows, would be looked through. So the looks are
-- kept apart, and the last one is by ids that are known.
held as materialized (
    select wanted.epoch, found.id
    from wanted cross join lateral (
        select id
        from jobs
        where jobs.finished_at is null
          and jobs.kind = wanted.kind and jobs.location_id = wanted.location_id and jobs.record_id = wanted.record_id
          and jobs.epoch < wanted.epoch
        offset 0
    ) as found
)
update jobs
set state = 'running', epoch = held.epoch, started_at = $1, due_at = null
from held
where jobs.id = any (array(select id from held)) and jobs.id = held.id
  and coalesce(jobs.finished_at, 0) = 0 and jobs.epoch < held.epoch
returning
    jobs.id, jobs.kind, jobs.location_id, jobs.record_id, jobs.epoch, attempts, created_at, source, event_id, event_type,
    case when source = 'sweep' then data else '' end as data
