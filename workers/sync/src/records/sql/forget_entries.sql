-- Only what neither side owes anything for; as `unpushed_entries`, for deleted rows, and nothing that has a job, or one that a person has yet to
-- decide about.
delete from entries
where row_id in (
    select row_id from entries
    where deleted = 1 and base is null and intent is null and coalesce(looks, 0) = 0 and changed_at < $1
      and not exists (
        select 1 from jobs
        where jobs.finished_at is null and jobs.kind = 'push_' || entries.kind and jobs.location_id = entries.location_id
          and record_id = row_id
      )
      and not exists (
        select 1 from jobs
        where state = 'dead' and jobs.kind = 'push_' || entries.kind and jobs.location_id = entries.location_id and record_id = row_id
      )
    limit $2
)
