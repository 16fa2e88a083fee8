-- Only what neither side owes anything for: what is owed to GHL and forgotten here would come back from there. As `unpushed_contacts`, for deleted
-- rows; and nothing that has a job, or one that a person has yet to decide about.
delete from contacts
where (location_id, contact_id) in (
    select location_id, contact_id from contacts
    where deleted_at < $1
      and base is null and intent is null and asked is null and asked_at is null and coalesce(looks, 0) = 0
      and not exists (
        select 1 from jobs
        where jobs.finished_at is null and kind = 'push_contact' and jobs.location_id = contacts.location_id and record_id = row_id
      )
      and not exists (
        select 1 from jobs
        where state = 'dead' and kind = 'push_contact' and jobs.location_id = contacts.location_id and record_id = row_id
      )
      and not exists (
        select 1 from jobs
        where jobs.finished_at is null and kind = 'pull_contact' and jobs.location_id = contacts.location_id
          and record_id = contacts.contact_id
      )
    limit $2
)
returning location_id, contact_id
