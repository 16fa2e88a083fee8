-- As `erase_page_of_jobs`, and before it, of the words that GHL refused attempts with.
delete from job_attempts
where job_id in (
    select id from jobs
    where location_id = $1
      and id > $3 and id <= $4
      and (
        contact_id in (select id from erasure_ids where erasure_id = $2)
        or record_id in (select id from erasure_ids where erasure_id = $2)
        or (source = 'flow' and substr(coalesce(event_id, given_event_id), 1, 36) in (select id from erasure_ids where erasure_id = $2))
        or replace(data, case when length($5) < 16 then '"' || $5 || '"' else $5 end, '') <> data
        or replace(coalesce(reply, ''), case when length($5) < 16 then '"' || $5 || '"' else $5 end, '') <> coalesce(reply, '')
      )
)
