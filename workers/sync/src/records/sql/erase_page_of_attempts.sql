-- As `erase_page_of_jobs`, of the words that GHL refused attempts with.
delete from job_attempts
where job_id in (
    select id from jobs
    where location_id = $1
      and id > $3 and id <= $4
      and (
        contact_id in (select id from erasure_ids where erasure_id = $2)
        or record_id in (select id from erasure_ids where erasure_id = $2)
      )
)
