-- As `erase_page_of_jobs`; and those that led to a job about the person. Ids stay, to know a repetition by.
update webhooks
set body = '{}'
where location_id = $1
  and id > $3 and id <= $4
  and body <> '{}'
  and (
    contact_id in (select id from erasure_ids where erasure_id = $2)
    or replace(body, case when length($5) < 16 then '"' || $5 || '"' else $5 end, '') <> body
    or exists (
        select 1 from jobs
        where jobs.id = webhooks.job_id
          and (
            jobs.contact_id in (select id from erasure_ids where erasure_id = $2)
            or jobs.record_id in (select id from erasure_ids where erasure_id = $2)
          )
    )
  )
