-- As for jobs; and those that led to a job about the contact, or about one of its tasks and notes. Ids stay, to know a repetition by.
update webhooks
set body = '{}'
where location_id = $1
  and body <> '{}'
  and (
    replace(body, case when length($2) < 16 then '"' || $2 || '"' else $2 end, '') <> body
    or job_id in (
        select id from jobs
        where location_id = $1
          and (
            record_id = $2
            or record_id in (select row_id from entries where location_id = $1 and contact_id = $2)
            or record_id in (select row_id from contacts where location_id = $1 and contact_id = $2)
          )
    )
  )
