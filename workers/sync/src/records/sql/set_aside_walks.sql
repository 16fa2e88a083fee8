-- Walks without an open job were given up, or their job was discarded: they make way, and an import can still be resumed.
update walks
set finished_at = $1
where location_id = $2
  and finished_at is null
  and not exists (
      select 1
      from jobs
      where jobs.finished_at is null
        and jobs.kind in ('walk_contacts', 'walk_details', 'walk_rest')
        and jobs.location_id = walks.location_id
        and jobs.record_id = walks.id
  )
