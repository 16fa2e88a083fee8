-- Only while the run holds its ledger rows. The revision stays: a reader sees no difference.
update contacts
set asked = $1, asked_at = $7, looks = null
where row_id = $2
  and location_id = $4
  and exists (
    select 1
    from jobs
    where finished_at is null
      and kind = $3 and location_id = $4 and record_id = $5
      and epoch = $6 and state = 'running'
  )
