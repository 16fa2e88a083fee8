-- Its contact is there again: what was owed when that went is owed again.
update entries
set base = gone_base,
    deleted = gone_deleted,
    gone_base = null,
    gone_deleted = null,
    revision = revision + 1
where row_id = $1 and base is null and gone_base is not null
returning
    row_id, location_id, contact_id, ghl_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted, revision, last_edits
