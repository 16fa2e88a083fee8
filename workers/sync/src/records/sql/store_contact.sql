-- No row where the contact was stored by someone else since the snapshot ($8: the revision then, 0 for none).
-- The revision moves only when readers see a difference.
insert into contacts (location_id, contact_id, doc, search, date_updated, synced_at, changed_at, deleted_at, revision)
values ($1, $2, $3, $4, $5, $6, $7, null, 1)
on conflict (location_id, contact_id) do update
set revision = contacts.revision
        + case when contacts.doc = excluded.doc and contacts.deleted_at is null then 0 else 1 end,
    changed_at = case
        when contacts.doc = excluded.doc and contacts.deleted_at is null then contacts.changed_at
        else excluded.changed_at
    end,
    doc = excluded.doc,
    search = excluded.search,
    date_updated = excluded.date_updated,
    synced_at = excluded.synced_at,
    deleted_at = null
where contacts.revision = $8
returning revision
