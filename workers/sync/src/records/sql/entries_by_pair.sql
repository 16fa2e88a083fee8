-- As for contacts.
select
    kind, row_id, location_id, contact_id, ghl_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted, revision, last_edits
from entries
where (location_id, contact_id) in (values
