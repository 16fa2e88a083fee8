)
update jobs
set state = 'running', epoch = held.epoch, started_at = $1, due_at = null
from (
    -- Found by the whole key: with statistics of a moment without open rows, all that are open would be looked through. So the two looks are kept
    -- apart, and the second one is by id alone.
    select wanted.epoch, found.id
    from wanted cross join lateral (
        select id
        from jobs
        where jobs.finished_at is null
          and jobs.kind = wanted.kind and jobs.location_id = wanted.location_id and jobs.record_id = wanted.record_id
          and jobs.epoch < wanted.epoch
        offset 0
    ) as found
) as held
where jobs.id = held.id and coalesce(jobs.finished_at, 0) = 0 and jobs.epoch < held.epoch
returning
    jobs.id, jobs.kind, jobs.location_id, jobs.record_id, jobs.epoch, attempts, created_at, source, event_id, event_type,
    case when source = 'sweep' then data else '' end as data
