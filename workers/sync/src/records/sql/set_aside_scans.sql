-- Walks without an open job were given up, or their job was discarded: they make way, and an import can still be resumed. Those of
-- the purpose $3 that take their time make way as well: a person waits.
update walks
set finished_at = $1
where location_id = $2
  and finished_at is null
  and (
      (purpose = $3 and pause_ms > 0)
      or not exists (
          select 1
          from jobs
          where jobs.finished_at is null
            and jobs.kind in ('walk_contacts', 'walk_details', 'walk_rest')
            and jobs.location_id = walks.location_id
            and jobs.record_id = walks.id
      )
  )
