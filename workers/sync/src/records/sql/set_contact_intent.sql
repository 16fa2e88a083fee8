-- Only while the run holds its ledger rows, and of what GHL is not known to have. The revision stays: a reader sees no difference.
update contacts
set intent = $1, intent_at = $2
where row_id = $3
  and location_id = $5
  and (cast($1 as text) is null or base is null)
  and exists (
    select 1
    from jobs
    where finished_at is null
      and kind = $4 and location_id = $5 and record_id = $6
      and epoch = $7 and state = 'running'
  )
