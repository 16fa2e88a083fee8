-- No row where the contact has come meanwhile.
insert into contacts (
    location_id, contact_id, row_id, clienty_id, doc, base, edits, prints, sync, search, date_updated, synced_at, changed_at, revision,
    deleted_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14)
on conflict do nothing
