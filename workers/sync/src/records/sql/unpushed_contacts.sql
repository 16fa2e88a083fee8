-- What owes a push as far as the columns tell, and has no job, nor one that a person has yet to decide about.
select 'push_contact', location_id, row_id
from contacts
where ((deleted_at is null and (base is null or base <> doc)) or (deleted_at is not null and base is not null)
    or intent is not null or asked is not null or asked_at is not null or looks > 0 or (edits is not null and base is not null))
  and (location_id > $1 or (location_id = $1 and row_id > $2))
  and not exists (
    select 1 from jobs
    where jobs.finished_at is null and kind = 'push_contact' and jobs.location_id = contacts.location_id and record_id = row_id
  )
  and not exists (
    select 1 from jobs
    where state = 'dead' and kind = 'push_contact' and jobs.location_id = contacts.location_id and record_id = row_id
  )
order by location_id, row_id
limit $3
