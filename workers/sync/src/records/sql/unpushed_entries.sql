-- As for contacts. $1 has no meaning here.
select 'push_' || entries.kind, location_id, row_id
from entries
where ((deleted = 0 and (base is null or base <> doc)) or (deleted = 1 and base is not null)
    or intent is not null or ((asked is not null or asked_at is not null) and base is not null) or looks > 0 or (edits is not null and base is not null))
  and row_id > $2 and $1 = $1
  and not exists (
    select 1 from jobs
    where jobs.finished_at is null and jobs.kind = 'push_' || entries.kind and jobs.location_id = entries.location_id
      and record_id = row_id
  )
  and not exists (
    select 1 from jobs
    where state = 'dead' and jobs.kind = 'push_' || entries.kind and jobs.location_id = entries.location_id and record_id = row_id
  )
order by row_id
limit $3
