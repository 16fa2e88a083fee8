-- As `erase_page_of_calls`, of the words that GHL refused attempts with.
delete from job_attempts
where job_id in (
    select id from jobs
    where location_id = $1
      and id > $2 and id <= $3
      and kind = 'call_operation'
      and contact_id is null
      and (
        replace(lower(data), $4, '') <> lower(data)
        or replace(lower(coalesce(reply, '')), $4, '') <> lower(coalesce(reply, ''))
        or replace(replace(replace(replace(replace(replace(replace(replace(lower(data), ' ', ''), '-', ''), '(', ''), ')', ''), '.', ''), '+', ''), '/', ''), $4, '') <> replace(replace(replace(replace(replace(replace(replace(lower(data), ' ', ''), '-', ''), '(', ''), ')', ''), '.', ''), '+', ''), '/', '')
      )
)
